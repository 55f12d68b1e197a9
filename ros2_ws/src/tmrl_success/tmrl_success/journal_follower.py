"""Reads a journal as it grows, without being in its writer's way."""

from pathlib import Path

from tmrl_agent.journal import MAX_FETCH, JournalError, JournalReader
from tmrl_common.closeable import Closeable
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome

_MAX_FETCHES = 16
"""So many at once: whoever asks has other things to do as well."""


class JournalFollower(Closeable):
    """What is new in one session of one arm.

    Attributes:
        problem: Why nothing can be read; empty while all is well.

    Args:
        path: The SQLite file; it may not exist yet.
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
    """

    def __init__(self, path: Path, robot: str, session: str) -> None:
        self._path = path
        self._key = robot, session
        self._reader: JournalReader | None = None
        self._last = 0
        self._outcomes: dict[int, Outcome] = {}
        self.problem = ""

    def transitions(self) -> list[Transition]:
        """Returns what was written since the last call, in order; a part of it where it is much."""
        new: list[Transition] = []
        try:
            for _ in range(_MAX_FETCHES):
                batch = self._open().fetch(self._last + 1, MAX_FETCH) if self._is_there else []
                if not batch:
                    break
                self._last = batch[-1].sequence
                new += batch
            self.problem = ""
        except JournalError as error:
            self.problem = str(error)
        return new

    def outcomes(self) -> dict[int, Outcome]:
        """Returns the newest label of each labelled episode; if it cannot be read, those known."""
        try:
            if self._is_there:
                self._outcomes = self._open().outcomes()
        except JournalError as error:
            self.problem = str(error)
        return self._outcomes

    def close(self) -> None:
        """Releases the file."""
        if self._reader is not None:
            self._reader.close()

    @property
    def _is_there(self) -> bool:
        return self._reader is not None or self._path.exists()

    def _open(self) -> JournalReader:
        if self._reader is None:
            self._reader = JournalReader(self._path, *self._key)
        return self._reader
