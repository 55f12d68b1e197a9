"""The directory of a run: made once, and resumed when it exists already."""

import time
from pathlib import Path

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.rig import RigError


def new_run_dir() -> Path:
    """A name below `runs/`, after date and time; nothing is made yet."""
    return Path("runs", time.strftime("%Y%m%d_%H%M%S")).absolute()


def prepare_directories(options: SessionOptions) -> tuple[Path, Path]:
    """Makes the directories of a run and of its logs.

    Returns:
        Their absolute paths.

    Raises:
        RigError: One of them cannot be a directory or cannot be written to.
    """
    run_dir = prepare_run_dir(options.run_dir)
    return run_dir, _writable(options.log_dir or run_dir / "logs", "log_dir:=DIR")


def prepare_run_dir(path: Path | None) -> Path:
    """Makes the directory of a run.

    Args:
        path: Where; None for a new one.

    Returns:
        Its absolute path.

    Raises:
        RigError: The path cannot be a directory or cannot be written to.
    """
    return _writable(path or new_run_dir(), "another run directory")


def _writable(folder: Path, remedy: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RigError(f"cannot write to {folder}: {error.strerror}; choose {remedy}") from error
    return folder.resolve()


def has_history(run_dir: Path) -> bool:
    """Whether a session ran there before: its journal exists."""
    return (run_dir / "journal.sqlite").exists()
