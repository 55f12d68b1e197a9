"""A second copy of the transitions, kept where the learner runs, beside its checkpoint.

The journal on the robot's machine is the authority; a learner's replay keeps only what is learned
from. This file keeps whole rows, each with its content hash, so that a journal that lost its newest
ones can have them back (`./tmrl journal recover`).
"""

import contextlib
import sqlite3
from collections.abc import Collection, Generator
from pathlib import Path

import msgpack

from tmrl_common.errors import LocalError
from tmrl_common.transition_cells import content_hash, from_hashed_cells, to_cells
from tmrl_common.transitions import Transition

FILE_NAME = "transitions_copy.sqlite"

Stream = tuple[str, str]
"""Robot and session."""

_CREATE = """CREATE TABLE IF NOT EXISTS rows (
    robot TEXT NOT NULL, session TEXT NOT NULL, sequence INTEGER NOT NULL,
    content_hash TEXT NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (robot, session, sequence)
) STRICT"""


class CopyError(LocalError):
    """The copy cannot be used; the text names the file, and the remedy."""


class TransitionCopy:
    """Takes transitions, each once; one thread at a time.

    Args:
        path: Of the file; its folder must exist.

    Raises:
        CopyError: The file is none of ours, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _sentences(path):
            # Made in the node's thread, used by the learner's alone.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            # A loss of power may cost the newest rows: the journal has them, and they come again.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_CREATE)

    def add(self, transition: Transition) -> None:
        """Keeps a transition; one whose number is there already is passed over.

        Raises:
            CopyError: The disk refuses.
        """
        cells = to_cells(transition)
        row = (transition.robot, transition.session, transition.sequence, content_hash(cells))
        with _sentences(self._path):
            self._database.execute(
                "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?)", (*row, msgpack.packb(cells))
            )

    def streams(self) -> list[Stream]:
        """Returns whose transitions it holds, sorted."""
        with _sentences(self._path):
            return sorted(self._database.execute("SELECT DISTINCT robot, session FROM rows"))

    def numbers(self, stream: Stream) -> set[int]:
        """Returns the numbers that it holds of a stream."""
        query = "SELECT sequence FROM rows WHERE robot = ? AND session = ?"
        with _sentences(self._path):
            return {number for (number,) in self._database.execute(query, stream)}

    def read(self, stream: Stream, sequences: Collection[int]) -> list[Transition]:
        """Returns transitions, ascending.

        Args:
            stream: Whose.
            sequences: Which; all of them are in `numbers`.

        Raises:
            CopyError: One is not what was written.
        """
        return [self._one(stream, sequence) for sequence in sorted(sequences)]

    def _one(self, stream: Stream, sequence: int) -> Transition:
        query = (
            "SELECT content_hash, cells FROM rows WHERE robot = ? AND session = ? AND sequence = ?"
        )
        with _sentences(self._path):
            stored, packed = self._database.execute(query, (*stream, sequence)).fetchone()
        try:
            transition = from_hashed_cells(msgpack.unpackb(packed), stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(sequence) from error
        if (transition.robot, transition.session, transition.sequence) != (*stream, sequence):
            raise self._damaged(sequence)
        return transition

    def _damaged(self, sequence: int) -> CopyError:
        return CopyError(
            f"{self._path}: row {sequence} is damaged; nothing was given back: take another copy"
        )

    def close(self) -> None:
        """Closes the file."""
        self._database.close()


@contextlib.contextmanager
def _sentences(path: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CopyError(
            f"{path}: {error}; free some room if its disk is full, or move the file away: it is a "
            "copy, and the learner begins another one"
        ) from error
