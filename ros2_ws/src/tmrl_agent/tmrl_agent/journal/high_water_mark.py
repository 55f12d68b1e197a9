"""What numbers a journal has given away, kept outside of its file.

SQLite drops the end of a damaged write-ahead log without a word, and whoever copies the database
alone leaves the log behind. The mark beside it tells that rows are missing, and keeps their numbers
from being given to others.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tmrl_agent.journal.errors import JournalCorruptError, JournalError

SUFFIX = ".mark"


@dataclass(frozen=True)
class Mark:
    """The highest numbers that were given away.

    Attributes:
        sequence: Of a transition.
        episode: With a transition or a label.
    """

    sequence: int = 0
    episode: int = 0


class HighWaterMark:
    """The mark of one session of one arm, in a small file beside the journal.

    Args:
        journal: Path of the journal.
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.

    Raises:
        JournalCorruptError: The file is none of ours.
        JournalError: It cannot be read.
    """

    def __init__(self, journal: Path, robot: str, session: str) -> None:
        self._path = journal.with_name(journal.name + SUFFIX)
        self._key = f"{robot}/{session}"
        self.mark = _mark(self._path, self._read().get(self._key, {}))

    def raise_to(self, sequence: int, episode: int) -> None:
        """Replaces the file, so that it survives a loss of power, where a number is higher.

        Raises:
            JournalError: The disk refuses; the file is as it was.
        """
        mark = Mark(max(self.mark.sequence, sequence), max(self.mark.episode, episode))
        if mark == self.mark:
            return
        content = self._read() | {self._key: vars(mark)}
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            with partial.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise JournalError(
                f"cannot write {self._path}: {error.strerror}; mend that, then writing continues "
                "by itself"
            ) from error
        self.mark = mark

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise JournalError(f"cannot read {self._path}: {error.strerror}") from error
        except ValueError as error:
            raise _damaged(self._path) from error
        if not isinstance(content, dict):
            raise _damaged(self._path)
        return cast(dict[str, Any], content)


def _mark(path: Path, entry: Any) -> Mark:
    try:
        mark = Mark(**entry)
    except TypeError as error:
        raise _damaged(path) from error
    if not all(isinstance(value, int) and value >= 0 for value in vars(mark).values()):
        raise _damaged(path)
    return mark


def _damaged(path: Path) -> JournalCorruptError:
    return JournalCorruptError(
        f"{path} is damaged; it only tells whether the newest rows of the journal beside it are "
        "missing: where they are not, delete it"
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
