"""Rows that a damaged write-ahead log lost: named at the start, their numbers never used again."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tmrl_agent.journal import Journal, JournalCorruptError
from tmrl_agent.testing import made_label
from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.types import Outcome


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def raw_numbers(path):
    database = sqlite3.connect(path)
    try:
        return [n for (n,) in database.execute("SELECT sequence FROM transitions ORDER BY 1")]
    finally:
        database.close()


def grown(path, tmp_path):
    """The files of a session of 100 rows in mid-run; the first 80 belong to an ended episode."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with Journal(path, "widowx", "run") as journal:
        ended = [example_transition(n) for n in range(1, 81)]
        journal.append(ended, made_label(1, Outcome.TIMEOUT, 80.0))
        for sequence in range(81, 101):
            journal.append([example_transition(sequence, episode=2, chunk=sequence - 81)])
        for file in path.parent.glob("journal.sqlite*"):
            shutil.copy(file, copy)
    return copy / path.name


def wal(path):
    return path.with_name(path.name + "-wal")


def lose(path):
    wal(path).unlink()


def cut(path):
    wal(path).write_bytes(wal(path).read_bytes()[:100])


def garble(path):
    bits = bytearray(wal(path).read_bytes())
    bits[32 : 32 + 24] = bytes(24)
    wal(path).write_bytes(bits)


@pytest.mark.parametrize("damage", [lose, cut, garble])
def test_rows_that_the_write_ahead_log_lost_are_named_and_their_numbers_kept(
    path, tmp_path, damage
):
    copied = grown(path, tmp_path)
    damage(copied)
    path.with_name("journal.sqlite-shm").unlink(missing_ok=True)
    with Journal(copied, "widowx", "run") as journal:
        assert journal.missing == (81, 100)
        assert "81 to 100" in journal.warning
        assert "-wal" in journal.warning
        assert (journal.last_sequence, journal.last_episode) == (100, 2)
        journal.append([example_transition(101, episode=3, chunk=0)])
    assert raw_numbers(copied) == [*range(1, 81), 101]
    with Journal(copied, "widowx", "run") as journal:
        assert (journal.missing, journal.last_sequence) == (None, 101)


def test_a_journal_that_is_whole_says_nothing(path, tmp_path):
    copied = grown(path, tmp_path)
    with Journal(copied, "widowx", "run") as journal:
        assert (journal.missing, journal.warning) == (None, "")
    assert raw_numbers(copied) == list(range(1, 101))


def test_the_database_alone_holds_every_episode_that_ended(path, tmp_path):
    with Journal(path, "widowx", "run") as journal:
        rows = [example_transition(n) for n in range(1, 6)]
        journal.append(rows, made_label(1, Outcome.SUCCESS, 5.0))
        alone = Path(shutil.copy(path, tmp_path / "alone.sqlite"))
    assert raw_numbers(alone) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("content", ["", "[]", '{"widowx/run": 3}', '{"widowx/run": {"x": 1}}'])
def test_a_mark_that_is_damaged_is_a_sentence(path, content):
    Path(f"{path}.mark").write_text(content)
    with pytest.raises(JournalCorruptError, match="delete it"):
        Journal(path, "widowx", "run")


def test_sessions_in_one_file_have_marks_of_their_own(path):
    with Journal(path, "widowx", "run") as journal:
        journal.append([example_transition(1)])
    with Journal(path, "franka", "run") as other:
        assert other.last_sequence == 0
        other.append([example_transition(1, robot="franka")])
    with Journal(path, "widowx", "run") as journal:
        assert (journal.last_sequence, journal.missing) == (1, None)
