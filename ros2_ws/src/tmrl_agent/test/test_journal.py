"""What the journal promises: committed before `append` returns, gap-free, loud when damaged."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tmrl_agent.journal import (
    Journal,
    JournalCorruptError,
    JournalError,
    JournalFullError,
)
from tmrl_agent.testing import made_label
from tmrl_common.testing.transition_examples import assert_same, example_transition
from tmrl_common.types import Outcome

WRITER = Path(__file__).with_name("journal_writer.py")


def transition(sequence, chunk=None, **changes):
    """A transition that carries the label of its episode."""
    ends = {"truncated": True, "episode_outcome": Outcome.TIMEOUT}
    place = {"chunk": sequence - 1 if chunk is None else chunk}
    return example_transition(sequence, **(ends | place | changes))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def open_journal(path):
    return Journal(path, "widowx", "run")


def test_what_was_written_is_read_back_unchanged_after_reopening(path):
    journal = open_journal(path)
    journal.append([transition(1), transition(2)], made_label(1, Outcome.TIMEOUT, 2.0))
    journal.close()
    journal = open_journal(path)
    for stored, written in zip(journal.fetch(1, 10), [transition(1), transition(2)], strict=True):
        assert_same(stored, written)
    assert journal.labels() == [made_label(1, Outcome.TIMEOUT, 2.0)]
    assert (journal.last_sequence, journal.last_episode) == (2, 1)


def test_an_empty_journal_starts_at_one(path):
    journal = open_journal(path)
    assert (journal.last_sequence, journal.last_episode) == (0, 0)
    assert journal.fetch(1, 10) == []
    assert journal.label_revisions() == {}


@pytest.mark.parametrize("sequence", [0, 1, 3, 7])
def test_a_number_that_leaves_a_gap_or_is_taken_is_refused(path, sequence):
    journal = open_journal(path)
    journal.append([transition(1)])
    with pytest.raises(JournalError, match="next number"):
        journal.append([transition(sequence, chunk=7)])
    assert_same(*journal.fetch(1, 10), transition(1))


def test_what_is_committed_already_may_be_appended_again(path):
    journal = open_journal(path)
    label = made_label(1, Outcome.TIMEOUT, 2.0)
    journal.append([transition(1), transition(2)], label)
    journal.append([transition(1), transition(2), transition(3)], label)
    journal.append([], label)
    assert [t.sequence for t in journal.fetch(1, 10)] == [1, 2, 3]
    assert journal.labels() == [label]


def test_a_label_that_contradicts_the_one_of_its_revision_is_refused(path):
    journal = open_journal(path)
    journal.append([], made_label(1, Outcome.TIMEOUT, 2.0))
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.append([transition(1)], made_label(1, Outcome.SUCCESS, 2.0))
    assert journal.fetch(1, 10) == []


def test_a_record_is_written_whole_or_not_at_all(path):
    journal = open_journal(path)
    broken = transition(2, driver=np.zeros(5, dtype=np.uint8))
    with pytest.raises(JournalError, match="CHECK"):
        journal.append([transition(1), broken], made_label(1, Outcome.SUCCESS, 1.0))
    assert journal.fetch(1, 10) == []
    assert journal.labels() == []
    journal.append([transition(1)])
    assert journal.last_sequence == 1


def test_the_same_revision_of_a_chunk_twice_is_refused(path):
    journal = open_journal(path)
    journal.append([transition(1, chunk=0)])
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.append([transition(2, chunk=0)])
    journal.append([transition(2, chunk=0, revision=1)])


def test_transitions_of_another_session_are_refused(path):
    with pytest.raises(JournalError, match="widowx/other"):
        open_journal(path).append([transition(1, session="other")])


def test_fetch_pages_through_in_order(path):
    journal = open_journal(path)
    journal.append([transition(n) for n in range(1, 8)])
    assert [t.sequence for t in journal.fetch(3, 2)] == [3, 4]
    assert [t.sequence for t in journal.fetch(7, 100)] == [7]
    assert journal.fetch(8, 100) == []


def test_two_arms_and_sessions_are_kept_apart_in_one_file(path):
    open_journal(path).append([transition(1)])
    other = Journal(path, "franka", "run")
    assert other.last_sequence == 0
    other.append([transition(1, robot="franka")])
    assert len(open_journal(path).fetch(1, 10)) == 1


def test_the_last_of_an_episode_is_the_labelled_one_in_its_newest_revision(path):
    journal = open_journal(path)
    pending = {"episode_outcome": Outcome.PENDING, "truncated": False}
    journal.append([transition(1, **pending), transition(2, **pending)])
    assert journal.last_of(1).sequence == 2
    journal.append([transition(3, chunk=1, revision=1, **pending, aborted=True)])
    journal.append([transition(4, chunk=0, revision=1)])
    journal.append([transition(5, chunk=0, revision=2)])
    assert journal.last_of(1).sequence == 5
    assert journal.last_of(2) is None


def test_a_file_that_is_no_journal_is_named(path):
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(JournalCorruptError, match=r"journal\.sqlite is damaged"):
        open_journal(path)


def test_a_journal_of_another_schema_is_refused(path):
    open_journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="schema version 99"):
        open_journal(path)


def test_a_flipped_bit_in_a_stored_array_is_noticed(path):
    journal = open_journal(path)
    journal.append([transition(n) for n in range(1, 4)])
    journal.close()
    content = bytearray(path.read_bytes())
    place = content.find(transition(2).features.tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalCorruptError, match="damaged"):
        open_journal(path).fetch(1, 10)


def test_truncation_at_any_length_gives_whole_transitions_or_a_clear_error(path):
    journal = open_journal(path)
    journal.append([transition(n) for n in range(1, 30)])
    journal.close()
    content = path.read_bytes()
    for length in range(0, len(content), 509):
        path.write_bytes(content[:length])
        try:
            found = open_journal(path).fetch(1, 100)
        except JournalError as error:
            assert str(path) in str(error)
        else:
            assert found == [], f"{length} of {len(content)} bytes gave {len(found)} rows"


def test_a_full_disk_is_named_and_loses_nothing(path):
    journal = open_journal(path)
    journal.append([transition(1)])
    # SQLite then answers exactly as it does when the file system is full.
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages}")
    large = np.zeros(100_000, dtype=np.float32)
    with pytest.raises(JournalFullError, match="free disk space"):
        journal.append([transition(2, features=large, next_features=large)])
    assert [t.sequence for t in journal.fetch(1, 10)] == [1]
    journal._database.execute("PRAGMA max_page_count = 1000000")
    journal.append([transition(2, features=large, next_features=large)])
    assert journal.last_sequence == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_file_system_is_named_and_loses_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount a file system")
    try:
        journal = open_journal(small / "journal.sqlite")
        large = np.zeros(10_000, dtype=np.float32)
        with pytest.raises(JournalFullError):
            for number in range(1, 100):
                journal.append([transition(number, features=large, next_features=large)])
        stored = journal.last_sequence
        journal.close()
        journal = open_journal(small / "journal.sqlite")
        assert [t.sequence for t in journal.fetch(1, 256)] == list(range(1, stored + 1))
        journal.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_whatever_was_acknowledged_survives_kill_9_at_any_moment(path):
    draw = random.Random()
    acknowledged = 0
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(draw.randint(1, 40)):
            acknowledged = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        # The last line may have been cut off by the kill; the ones before it are whole.
        acknowledged = max([acknowledged, *map(int, rest[:-1])])
        journal = open_journal(path)
        numbers, first = [], 1
        while found := journal.fetch(first, 256):
            numbers += [t.sequence for t in found]
            first = numbers[-1] + 1
        journal.close()
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= acknowledged
