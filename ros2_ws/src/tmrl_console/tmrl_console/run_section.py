"""What the page shows of the run's directory: room on its disk, whether episodes are recorded."""

import shutil
from pathlib import Path
from typing import Any

from tmrl_recorder.file_names import FOLDER

_GIGA = 1e9


def run_section(run_dir: Path) -> dict[str, Any]:
    """Returns the board's section for it; `free_gb` is None where the directory cannot be asked."""
    try:
        free_gb = round(shutil.disk_usage(run_dir).free / _GIGA, 1)
    except OSError:
        free_gb = None
    return {"free_gb": free_gb, "is_recorded": (run_dir / FOLDER).is_dir()}
