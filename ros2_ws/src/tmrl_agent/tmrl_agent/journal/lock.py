"""One agent per arm and run directory: a second one would give the same numbers away again."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from tmrl_agent.journal.errors import JournalError

SUFFIX = ".lock"


@contextlib.contextmanager
def only_writer(journal: Path, robot: str) -> Generator[None, None, None]:
    """Keeps every other agent of the same arm out of a journal.

    The system lets go of it when the process ends, however that happens.

    Args:
        journal: Path of the journal.
        robot: Name of the arm; several arms may share a journal.

    Raises:
        JournalError: Another agent has it, or the file beside the journal cannot be locked.
    """
    path = journal.with_name(f"{journal.name}.{robot}{SUFFIX}")
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{path} cannot be opened: {error}") from error
    with file:
        _lock(file.fileno(), path, journal, robot)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _lock(number: int, path: Path, journal: Path, robot: str) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise JournalError(
            f"{journal} is in use: a session of {robot} runs in {journal.parent} already (its "
            f"agent is process {holder}); end that one, or choose another run directory with "
            "run_dir:=DIR"
        ) from error
    except OSError as error:
        raise JournalError(f"{path} cannot be locked: {error}") from error
