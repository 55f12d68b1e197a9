"""Rows that a journal lost come back from the learner's copy; judged by raw SQLite."""

import shutil
import sqlite3

import pytest

from tmrl_agent.journal import Journal
from tmrl_agent.journal.recovery import recover
from tmrl_agent.testing import made_label
from tmrl_cli.cli import main
from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.transition_copy import FILE_NAME, CopyError, TransitionCopy
from tmrl_common.types import Outcome

ROWS = [
    *(example_transition(n) for n in range(1, 81)),
    *(example_transition(n, episode=2, chunk=n - 81) for n in range(81, 101)),
]


def raw_rows(path):
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT * FROM transitions ORDER BY sequence").fetchall()
    finally:
        database.close()


@pytest.fixture
def whole(tmp_path):
    """The rows as they were written."""
    path = tmp_path / "whole.sqlite"
    with Journal(path, "widowx", "run") as journal:
        journal.append(ROWS)
    return raw_rows(path)


@pytest.fixture
def run_dir(tmp_path):
    """A run in mid-episode: 80 rows in the file, 20 in its log; the learner knows them all."""
    living, run = tmp_path / "living", tmp_path / "run"
    living.mkdir()
    run.mkdir()
    with Journal(living / "journal.sqlite", "widowx", "run") as journal:
        journal.append(ROWS[:80], made_label(1, Outcome.TIMEOUT, 80.0))
        journal.append(ROWS[80:])
        for file in living.glob("journal.sqlite*"):
            shutil.copy(file, run)
    (run / "journal.sqlite-shm").unlink(missing_ok=True)
    keep(run, ROWS)
    return run


def keep(run, rows):
    copy = TransitionCopy(run / FILE_NAME)
    for row in rows:
        copy.add(row)
    copy.close()


def lose(run):
    (run / "journal.sqlite-wal").unlink()


def cut(run):
    log = run / "journal.sqlite-wal"
    log.write_bytes(log.read_bytes()[:100])


def lose_all_but_the_copy(run):
    for file in run.glob("journal.sqlite*"):
        file.unlink()


@pytest.mark.parametrize("damage", [lose, cut, lose_all_but_the_copy])
def test_what_was_lost_is_back_to_the_bit(run_dir, whole, damage, capsys):
    damage(run_dir)
    assert main(["journal", "recover", str(run_dir)]) == 0
    assert "rows given back" in capsys.readouterr().out
    assert raw_rows(run_dir / "journal.sqlite") == whole
    with Journal(run_dir / "journal.sqlite", "widowx", "run") as journal:
        assert (journal.missing, journal.last_sequence) == (None, 100)


def test_the_start_names_the_command(run_dir):
    lose(run_dir)
    with Journal(run_dir / "journal.sqlite", "widowx", "run") as journal:
        assert f"./tmrl journal recover {run_dir}" in journal.warning


def test_a_gap_of_a_session_that_continued_is_filled_and_nothing_else_changed(run_dir, whole):
    lose(run_dir)
    path = run_dir / "journal.sqlite"
    with Journal(path, "widowx", "run") as journal:
        journal.append([example_transition(101, episode=3, chunk=0)])
    before = raw_rows(path)
    (result,) = recover(run_dir)
    assert (result.restored, result.lost) == (tuple(range(81, 101)), ())
    assert raw_rows(path) == [*whole, before[-1]]


def test_a_row_that_is_there_is_not_touched(run_dir, whole):
    (run_dir / FILE_NAME).unlink()
    other = [example_transition(n, seed=99) for n in range(1, 81)]
    keep(run_dir, [*other, *ROWS[80:]])
    lose(run_dir)
    recover(run_dir)
    assert raw_rows(run_dir / "journal.sqlite") == whole


def test_what_the_copy_does_not_hold_is_named(run_dir, whole, tmp_path, capsys):
    (run_dir / FILE_NAME).unlink()
    elsewhere = tmp_path / "gpu"
    elsewhere.mkdir()
    keep(elsewhere, ROWS[:95])
    lose(run_dir)
    assert main(["journal", "recover", str(run_dir)]) == 2
    assert "--copy FILE" in capsys.readouterr().err
    copy = str(elsewhere / FILE_NAME)
    assert main(["journal", "recover", str(run_dir), "--copy", copy]) == 1
    assert "15 rows given back (81 to 95); 5 stay lost (96 to 100)" in capsys.readouterr().out
    assert raw_rows(run_dir / "journal.sqlite") == whole[:95]


def test_a_damaged_copy_gives_nothing_back(run_dir, whole):
    database = sqlite3.connect(run_dir / FILE_NAME)
    (cells,) = database.execute("SELECT cells FROM rows WHERE sequence = 90").fetchone()
    flipped = bytearray(cells)
    flipped[len(flipped) // 2] ^= 1
    database.execute("UPDATE rows SET cells = ? WHERE sequence = 90", (bytes(flipped),))
    database.commit()
    database.close()
    lose(run_dir)
    with pytest.raises(CopyError, match="row 90 is damaged; nothing was given back"):
        recover(run_dir)
    assert raw_rows(run_dir / "journal.sqlite") == whole[:80]
