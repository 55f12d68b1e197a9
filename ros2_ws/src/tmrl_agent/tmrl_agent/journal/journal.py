"""Writes one session of one arm to the journal."""

import contextlib
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from tmrl_agent.events import EpisodeLabel
from tmrl_agent.journal.errors import JournalError, damaged, sentences
from tmrl_agent.journal.high_water_mark import HighWaterMark
from tmrl_agent.journal.migration import migrate_from_1, migrate_from_2
from tmrl_agent.journal.reader import JournalReader
from tmrl_agent.journal.schema import CREATE_LABELS, CREATE_TRANSITIONS, INSERT, to_row
from tmrl_common.transition_cells import hash_of
from tmrl_common.transitions import SCHEMA_VERSION, Transition

_LOCK_WAIT_S = 1.0


class Journal(JournalReader):
    """Append-only store of one session of one arm; a journal of version 1 is brought up to date.

    Args:
        path: The SQLite file; its directory must exist. It is made if it is absent.
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.

    Raises:
        JournalCorruptError: The file is damaged, or no journal.
        JournalError: It has another schema version, or cannot be opened.

    Attributes:
        missing: First and last number of the newest rows, which were lost before it was opened;
            None where none were. Their numbers are not given away again.
    """

    def __init__(self, path: Path, robot: str, session: str) -> None:
        super().__init__(path, robot, session)
        with sentences(path):
            self._open()
            stored = self._scalar("max(sequence)", "transitions")
        self._mark = HighWaterMark(path, robot, session)
        given = self._mark.mark.sequence
        self.missing = (stored + 1, given) if given > stored else None
        self._last_sequence = max(stored, given)

    @property
    def last_sequence(self) -> int:
        """Highest sequence number that was ever in it; 0 while it is new."""
        return self._last_sequence

    @property
    def last_episode(self) -> int:
        """Highest episode that ever had a transition or a label; 0 while there was none."""
        return max(super().last_episode, self._mark.mark.episode)

    @property
    def warning(self) -> str:
        """What was lost before it was opened, and the remedy; empty where nothing was."""
        if self.missing is None:
            return ""
        first, last = self.missing
        return (
            f"rows {first} to {last} of {self.path} are missing: its -wal file was lost or "
            "damaged. Stop, and put that file back beside it, if there is a copy, or run "
            f"`./tmrl journal recover {self.path.parent}`, which takes them from the learner's "
            f"copy; otherwise the session continues at {last + 1}, and the learner keeps what it "
            "learned from them"
        )

    def append(self, transitions: Sequence[Transition], label: EpisodeLabel | None = None) -> None:
        """Writes transitions and the label that they apply, all or nothing, and commits.

        What is in the journal already, with the same content, is passed over: whoever does not know
        whether a record was committed may append it again.

        Args:
            transitions: Numbered without a gap from `last_sequence + 1` on.
            label: What ended or relabelled their episode.

        Raises:
            JournalFullError: The disk is full; nothing was written, nothing stored is lost.
            JournalError: A number leaves a gap or holds something else already, the transition is
                of another session, an array has a wrong length, or the file refuses the write.
        """
        fresh = [t for t in transitions if self._is_fresh(t)]
        for number, transition in enumerate(fresh, start=self._last_sequence + 1):
            if transition.sequence != number:
                raise JournalError(
                    f"transition {transition.sequence} would leave a gap: the next number in "
                    f"{self.path} is {number}"
                )
        rows = [to_row(transition) for transition in fresh]
        with sentences(self.path), self._transaction():
            self._database.executemany(INSERT, rows)
            if label is not None and not self._holds(label):
                self._database.execute(
                    "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*self._key, *_label_row(label)),
                )
        self._last_sequence += len(rows)
        self._keep_safe(transitions, label)

    def restore(self, transitions: Sequence[Transition]) -> None:
        """Puts back rows that were lost, all or nothing; one that is there is never touched.

        Args:
            transitions: Of this session, with numbers that are not in the file.

        Raises:
            JournalError: A number is taken, or the file refuses the write; nothing was written.
        """
        with sentences(self.path), self._transaction():
            self._database.executemany(INSERT, [to_row(each) for each in transitions])
        self._last_sequence = max([self._last_sequence, *(each.sequence for each in transitions)])
        self._keep_safe(transitions, None)

    def _keep_safe(self, transitions: Sequence[Transition], label: EpisodeLabel | None) -> None:
        """Notes outside of the file what it holds; empties the log when an episode has ended."""
        episodes = [each.episode for each in (*transitions, label) if each is not None]
        self._mark.raise_to(self._last_sequence, max(episodes, default=0))
        if label is not None:
            with sentences(self.path):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _is_fresh(self, transition: Transition) -> bool:
        """Whether the number is free; one that holds the same content is done."""
        if (transition.robot, transition.session) != self._key:
            raise JournalError(
                f"{transition.name} is of another session; this journal is of {'/'.join(self._key)}"
            )
        if transition.sequence > self._last_sequence:
            return True
        with sentences(self.path):
            stored = self._database.execute(
                "SELECT content_hash FROM transitions "
                "WHERE robot = ? AND session = ? AND sequence = ?",
                (*self._key, transition.sequence),
            ).fetchone()
        if stored != (hash_of(transition),):
            raise JournalError(
                f"number {transition.sequence} is taken in {self.path}, by another content; the "
                f"next number is {self._last_sequence + 1}"
            )
        return False

    def _holds(self, label: EpisodeLabel) -> bool:
        stored = self._database.execute(
            "SELECT episode, revision, outcome, stamp_ns, source, detail FROM labels "
            "WHERE robot = ? AND session = ? AND episode = ? AND revision = ?",
            (*self._key, label.episode, label.revision),
        ).fetchone()
        return stored == _label_row(label)

    def _connect(self) -> sqlite3.Connection:
        # Opened in the node's thread, then used by the journal's own alone.
        return sqlite3.connect(
            self.path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )

    def _open(self) -> None:
        execute = self._database.execute
        execute("PRAGMA synchronous = FULL")
        mode = execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalError(f"{self.path}: this file system allows journal mode {mode}, not WAL")
        damage = execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise damaged(self.path, damage)
        version = execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not execute("SELECT 1 FROM sqlite_master").fetchone():
            with self._transaction():
                execute(CREATE_TRANSITIONS)
                execute(CREATE_LABELS)
                execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version == 1:
            migrate_from_1(self._database, self.path)
        elif version == 2:
            migrate_from_2(self._database)
        elif version != SCHEMA_VERSION:
            raise JournalError(
                f"{self.path} has schema version {version}, this software reads 1 to "
                f"{SCHEMA_VERSION}; use a new run directory, or the software that wrote it"
            )

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def _label_row(label: EpisodeLabel) -> tuple[Any, ...]:
    number = (label.episode, label.revision, int(label.outcome), label.stamp_ns)
    return (*number, label.source, label.detail)
