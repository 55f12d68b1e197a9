"""The directory of a run: made once, and gone on with when it exists already."""

import time
from pathlib import Path

from tmrl_bringup.rig import RigError


def new_run_dir() -> Path:
    """A name below `runs/`, after date and time; nothing is made yet."""
    return Path("runs", time.strftime("%Y%m%d_%H%M%S")).absolute()


def prepare_run_dir(path: Path | None) -> Path:
    """Makes the directory of a run.

    Args:
        path: Where; None for a new one.

    Returns:
        Its absolute path.

    Raises:
        RigError: The path cannot be a directory or cannot be written to.
    """
    chosen = path or new_run_dir()
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        probe = chosen / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RigError(
            f"cannot write to {chosen}: {error.strerror}; choose another run directory"
        ) from error
    return chosen.resolve()


def has_history(run_dir: Path) -> bool:
    """Whether a session ran there before: its journal exists."""
    return (run_dir / "journal.sqlite").exists()
