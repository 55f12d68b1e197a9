"""The directory of a run: made once, and resumed when it exists already."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.rig import RigError
from tmrl_common.storage import StorageError, prepare_folder

_ANOTHER = "run_dir:=DIR, or --run-dir DIR of the demo, names another"
_JOURNAL = "journal.sqlite"
_OF_A_SESSION = (
    f"{_JOURNAL}-wal",
    f"{_JOURNAL}.mark",
    "episodes.jsonl",
    "checkpoint/learner.json",
    "checkpoint/learner.safetensors",
)
"""What a session writes once it has labels, transitions or something learned."""


def new_run_dir() -> Path:
    """A name below `runs/`, after date, time and process; nothing is made yet.

    Sessions that start within one second must not share a directory.
    """
    return Path("runs", f"{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}").absolute()


def prepare_directories(options: SessionOptions, parts: Sequence[str]) -> tuple[Path, Path]:
    """Makes the directories of a run and of its logs.

    Args:
        options: Of the session.
        parts: Names of those that run here; the agent's machine is the one that has the journal.

    Returns:
        Their absolute paths.

    Raises:
        RigError: One of them cannot be a directory or cannot be written to, or has too little room,
            or the run's journal is lost.
    """
    if "agent" in parts:
        refuse_lost_journal(options.run_dir)
    run_dir = prepare_run_dir(options.run_dir)
    return run_dir, _writable(options.log_dir or run_dir / "logs", "log_dir:=DIR names another")


def prepare_run_dir(path: Path | None) -> Path:
    """Makes the directory of a run.

    Args:
        path: Where; None for a new one.

    Returns:
        Its absolute path.

    Raises:
        RigError: The path cannot be a directory or cannot be written to, or has too little room.
    """
    return _writable(path or new_run_dir(), _ANOTHER)


def _writable(folder: Path, remedy: str) -> Path:
    try:
        return prepare_folder(folder)
    except StorageError as error:
        raise RigError(f"cannot write to {error} ({remedy})") from error


def has_history(run_dir: Path) -> bool:
    """Whether a session ran there before: its journal exists."""
    return (run_dir / _JOURNAL).exists()


def refuse_lost_journal(run_dir: Path) -> None:
    """Refuses a directory that holds parts of a session, but not its journal.

    A new journal would give the numbers away again that checkpoint, labels and mark know already,
    and the session would begin at episode 1 over what is left of the old one.

    Raises:
        RigError: Names what is there, what is missing, and the remedy.
    """
    if has_history(run_dir):
        return
    remains = [name for name in _OF_A_SESSION if _has_content(run_dir / name)]
    if remains:
        raise RigError(
            f"{run_dir} holds a session without its {_JOURNAL} (there are {', '.join(remains)}); "
            f"put {_JOURNAL} back from a copy, with {_JOURNAL}-wal and {_JOURNAL}.mark where there "
            "are such files, or choose another run directory"
        )


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
