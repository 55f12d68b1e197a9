"""Disks, folders and files that refuse: asked before work begins, and in one sentence when they do.

Like `verbs`, it imports nothing but the standard library.
"""

import contextlib
import errno
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from tmrl_common.errors import LocalError

RUN_ROOM_MB = 500
"""Room that a run needs: a checkpoint, twice while it is replaced, and the journal and logs of a
day."""

_REASONS = {
    errno.ENOSPC: "the disk is full; free some room, then run it again",
    errno.EDQUOT: "your quota on this disk is used up; free some room, then run it again",
    errno.EROFS: "this file system is read-only; choose another place",
    errno.EACCES: "you may not read or write here; choose another place, or change its owner",
    errno.EPERM: "you may not change this; choose another place, or change its owner",
    errno.EISDIR: "this is a folder; name a file",
    errno.ENOTDIR: "a part of this path is a file where a folder must be; choose another place",
    errno.EEXIST: "this is a file where a folder must be; choose another place",
    errno.ENAMETOOLONG: "this name is too long for the file system; choose a shorter one",
    errno.EIO: "the disk reports an error; see the system's log, and copy what is on it",
}
_FOREIGN = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust, such as safetensors, name an error of the system."""


class StorageError(LocalError):
    """A folder or file cannot be written, or its disk has too little room."""


def sentence_of(error: Exception, path: Path | None = None) -> str | None:
    """Says what a disk refused, and the remedy.

    Args:
        error: What was raised.
        path: What was to be read or written, where the error does not name it.

    Returns:
        One sentence; None where the error is of another kind.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (named := _FOREIGN.search(str(error))):
        number = int(named.group(1))
    reason = _REASONS.get(number or 0)
    if reason is None:
        return None
    named_path = getattr(error, "filename", None) or path
    return f"{named_path}: {reason}" if named_path else reason


@contextlib.contextmanager
def refusals(path: Path) -> Generator[None]:
    """Turns what a disk refuses into a StorageError that names the path."""
    try:
        yield
    except FileNotFoundError as error:
        # As below /proc: whoever asked made the folders above, so the name itself cannot be.
        raise StorageError(f"{path}: this cannot be made here; choose another place") from error
    except OSError as error:
        sentence = sentence_of(error, path)
        if sentence is None:
            raise
        raise StorageError(sentence) from error


def prepare_folder(folder: Path, room_mb: int = RUN_ROOM_MB) -> Path:
    """Makes a folder, and sees to it that it can be written and has room.

    Args:
        folder: Is made with those above it.
        room_mb: What will be written there at most, MB (10^6 bytes).

    Returns:
        Its absolute path.

    Raises:
        StorageError: It cannot be made or written, or its disk has less room.
    """
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable") as probe:
            probe.write(b"\0")
    _check_room(folder, room_mb)
    return folder.resolve()


def prepare_file(path: Path) -> None:
    """Sees to it that a file can be written later, and makes the folders above it.

    Raises:
        StorageError: It is a folder, or cannot be written.
    """
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        was_there = path.exists()
        with path.open("a", encoding="utf-8"):
            pass
        if not was_there:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a file as UTF-8.

    Raises:
        StorageError: The disk refuses.
    """
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _check_room(folder: Path, room_mb: int) -> None:
    free_mb = shutil.disk_usage(folder).free // 10**6
    if free_mb < room_mb:
        raise StorageError(
            f"{folder}: its disk has {free_mb} MB of free space, and {room_mb} MB are needed; free "
            "some room, or choose a folder on another disk"
        )
