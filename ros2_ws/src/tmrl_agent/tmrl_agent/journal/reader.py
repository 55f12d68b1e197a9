"""Reads one session of one arm from a journal."""

import sqlite3
from pathlib import Path

from tmrl_agent.events import EpisodeLabel
from tmrl_agent.journal.errors import sentences
from tmrl_agent.journal.schema import columns_of, from_row, select
from tmrl_common.closeable import Closeable
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome

MAX_FETCH = 256


class JournalReader(Closeable):
    """What a journal holds, over a connection of its own: a writer elsewhere is not in its way.

    Args:
        path: The SQLite file; it exists and has today's schema, or version 2 of it.
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.

    Raises:
        JournalError: It cannot be opened.
    """

    def __init__(self, path: Path, robot: str, session: str) -> None:
        self.path = path
        self._key = (robot, session)
        with sentences(path):
            self._database = self._connect()

    @property
    def last_episode(self) -> int:
        """Highest episode with a transition or a label; 0 while there is none."""
        with sentences(self.path):
            stored = self._scalar("max(episode)", "transitions")
            return max(stored, self._scalar("max(episode)", "labels"))

    def label_revisions(self) -> dict[int, int]:
        """Returns the highest revision of the label of each labelled episode."""
        with sentences(self.path):
            rows = self._database.execute(
                "SELECT episode, max(revision) FROM labels WHERE robot = ? AND session = ? "
                "GROUP BY episode",
                self._key,
            )
            return dict(rows.fetchall())

    def labels(self) -> list[EpisodeLabel]:
        """Returns every label with every revision, in the order of episode and revision."""
        with sentences(self.path):
            rows = self._database.execute(
                "SELECT episode, outcome, stamp_ns, revision, source, detail FROM labels "
                "WHERE robot = ? AND session = ? ORDER BY episode, revision",
                self._key,
            ).fetchall()
        return [EpisodeLabel(episode, Outcome(value), *rest) for episode, value, *rest in rows]

    def outcomes(self) -> dict[int, Outcome]:
        """Returns the newest label of each labelled episode."""
        return {label.episode: label.outcome for label in self.labels()}

    def fetch(self, first_sequence: int, max_count: int) -> list[Transition]:
        """Returns transitions from a number on, in order.

        Args:
            first_sequence: Lowest number to return.
            max_count: At most so many, and never more than MAX_FETCH.

        Raises:
            JournalCorruptError: A row differs from what was written.
        """
        return self._select(
            "AND sequence >= ? ORDER BY sequence LIMIT ?",
            (max(first_sequence, 0), min(max_count, MAX_FETCH)),
        )

    def numbers(self) -> set[int]:
        """Returns the sequence numbers that the file holds."""
        with sentences(self.path):
            rows = self._database.execute(
                "SELECT sequence FROM transitions WHERE robot = ? AND session = ?", self._key
            ).fetchall()
        return {number for (number,) in rows}

    def last_of(self, episode: int) -> Transition | None:
        """Returns the newest revision of an episode's labelled transition, else of its last chunk.

        Raises:
            JournalCorruptError: The row differs from what was written.
        """
        found = self._select(
            "AND episode = ? ORDER BY episode_outcome = ?, chunk DESC, revision DESC LIMIT 1",
            (episode, int(Outcome.PENDING)),
        )
        return found[0] if found else None

    def close(self) -> None:
        """Releases the file."""
        self._database.close()

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None)

    def _scalar(self, expression: str, table: str) -> int:
        row = self._database.execute(
            f"SELECT {expression} FROM {table} WHERE robot = ? AND session = ?",
            self._key,
        ).fetchone()
        return row[0] or 0

    def _select(self, condition: str, values: tuple[int, ...]) -> list[Transition]:
        with sentences(self.path):
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            columns = columns_of(version)
            rows = self._database.execute(f"{select(columns)} {condition}", (*self._key, *values))
            return [from_row(row, columns, self.path) for row in rows.fetchall()]
