"""A journal that version 1 of this software wrote: read whole, or refused and left as it was."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tmrl_agent.journal import Journal, JournalCorruptError, JournalError, JournalReader
from tmrl_agent.testing import made_label
from tmrl_common.chunks import Origin
from tmrl_common.testing.transition_examples import assert_same, example_transition
from tmrl_common.transitions import FIELDS, SCHEMA_VERSION, Kind
from tmrl_common.types import Outcome

VERSION_1 = Path(__file__).with_name("data") / "journal_v1.sqlite"
"""14 transitions of 5 episodes: a success, two interventions, a relabelling, an episode cut short
by its label, a discarded one and one without a label."""
VERSION_2 = VERSION_1.with_name("journal_v2.sqlite")
"""A chunk, a person's segment and a success."""


@pytest.fixture
def path(tmp_path):
    return Path(shutil.copy(VERSION_1, tmp_path / "journal.sqlite"))


def raw(path, query):
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def content(path):
    return [list(row) for row in raw(path, "SELECT * FROM transitions ORDER BY sequence")]


def test_every_row_and_label_is_there_after_the_migration(path):
    old = raw(path, "SELECT * FROM transitions ORDER BY sequence")
    labels = [list(row) for row in raw(path, "SELECT * FROM labels")]
    with Journal(path, "widowx", "run") as journal:
        assert journal.last_sequence == len(old) == 14
        migrated = journal.fetch(1, 100)
    assert [list(row) for row in raw(path, "SELECT * FROM labels")] == labels
    assert raw(path, "PRAGMA user_version")[0][0] == SCHEMA_VERSION
    for row, transition in zip(old, migrated, strict=True):
        for each in FIELDS:
            if each.column.since > 1:
                continue
            value = getattr(transition, each.name)
            if isinstance(value, np.ndarray):
                value = value.tobytes()
            elif each.kind is Kind.NUMBER:
                value = pytest.approx(value, rel=1e-6)
            assert row[each.name] == value, each.name
        assert transition.executed_actions.shape == (row["steps"], row["action_dim"])
        assert transition.observation_stamp_ns == pytest.approx(row["stamp_s"] * 1e9, abs=1000)
        assert transition.origin is (Origin.HUMAN if b"\1" in row["driver"] else Origin.POLICY)
        assert (transition.image_stamps_ns, transition.step_ends_ns.size) == ({}, 0)
    assert {t.sequence for t in migrated if t.origin is Origin.HUMAN} == {6, 7, 11}


def test_a_session_resumes_in_a_migrated_journal(path):
    with Journal(path, "widowx", "run") as journal:
        assert journal.label_revisions() == {1: 0, 2: 1, 3: 0, 4: 0}
        label = made_label(6, Outcome.SUCCESS, 1.0)
        journal.append([example_transition(15, episode=6, chunk=0)], label)
    with Journal(path, "widowx", "run") as journal:
        assert (journal.last_sequence, journal.last_episode) == (15, 6)


def test_one_of_version_2_gets_columns_for_candidates_and_keeps_every_hash(tmp_path):
    path = Path(shutil.copy(VERSION_2, tmp_path / "journal.sqlite"))
    old = raw(path, "SELECT * FROM transitions ORDER BY sequence")
    with JournalReader(path, "widowx", "run") as reader:
        before = reader.fetch(1, 100)
    with Journal(path, "widowx", "run") as journal:
        assert journal.label_revisions() == {1: 0}
        for read, again in zip(before, journal.fetch(1, 100), strict=True):
            assert_same(read, again)
        journal.append([example_transition(4, episode=2, chunk=0)])
    assert raw(path, "PRAGMA user_version")[0][0] == SCHEMA_VERSION
    new = raw(path, "SELECT * FROM transitions ORDER BY sequence")
    assert [row["candidate_sigma"] for row in new[:3]] == [b"", b"", b""]
    for ours, theirs in zip(old, new[:3], strict=True):
        assert {name: theirs[name] for name in ours.keys()} == dict(ours)  # noqa: SIM118
    with Journal(path, "widowx", "run") as journal:
        assert_same(journal.fetch(4, 1)[0], example_transition(4, episode=2, chunk=0))


def test_a_damaged_one_is_refused_and_left_as_it_was(path):
    bits = bytearray(path.read_bytes())
    (row,) = raw(path, "SELECT executed_actions FROM transitions WHERE sequence = 7")
    bits[bits.find(row[0])] ^= 1
    path.write_bytes(bits)
    before = content(path)
    with pytest.raises(JournalCorruptError, match=r"transition 7\); nothing was changed. Restore"):
        Journal(path, "widowx", "run")
    assert content(path) == before
    assert raw(path, "PRAGMA user_version")[0][0] == 1


def test_one_that_another_process_holds_is_refused_and_left_as_it_was(path):
    before = content(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        Journal(path, "widowx", "run")
    other.execute("ROLLBACK")
    other.close()
    assert content(path) == before


def test_truncation_at_any_length_is_a_clear_error(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 1021):
        path.write_bytes(whole[:length])
        for rest in ("-wal", "-shm"):
            Path(f"{path}{rest}").unlink(missing_ok=True)
        try:
            with Journal(path, "widowx", "run") as journal:
                assert journal.fetch(1, 100) == [], f"{length} of {len(whole)} bytes"
        except JournalError as error:
            assert str(path) in str(error)
