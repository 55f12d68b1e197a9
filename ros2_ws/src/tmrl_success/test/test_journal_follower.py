"""What is read of a journal that somebody else writes, also while it cannot be read."""

import sqlite3
from pathlib import Path

from tmrl_agent.journal import Journal
from tmrl_agent.testing import made_label
from tmrl_common.types import Outcome
from tmrl_success.journal_follower import JournalFollower


def test_labels_that_were_read_stay_known_while_the_journal_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, "widowx", "run") as journal:
        journal.append([], made_label(1, Outcome.SUCCESS, 1.0))
    with JournalFollower(path, "widowx", "run") as follower:
        assert follower.outcomes() == {1: Outcome.SUCCESS}
        with sqlite3.connect(path) as database:
            database.execute("ALTER TABLE labels RENAME TO gone")
        assert follower.outcomes() == {1: Outcome.SUCCESS}, "it is not as if nobody had labelled"
        assert "journal" in follower.problem
        with sqlite3.connect(path) as database:
            database.execute("ALTER TABLE gone RENAME TO labels")
        assert follower.outcomes() == {1: Outcome.SUCCESS}


def test_a_journal_that_is_not_there_yet_has_no_labels(tmp_path: Path) -> None:
    with JournalFollower(tmp_path / "journal.sqlite", "widowx", "run") as follower:
        assert follower.outcomes() == {}
        assert follower.transitions() == []
        assert follower.problem == ""
