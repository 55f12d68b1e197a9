"""Names of recordings: `episode_0007.mcap`, and `episode_0007_2.mcap` where one was interrupted.

The video of all of them is `episode_0007.mp4`.
"""

import re
from collections import defaultdict
from pathlib import Path

FOLDER = "recordings"
"""Of the recordings, in the directory of a run."""
ENDING = ".mcap"
_NAME = re.compile(r"episode_(\d+)(?:_(\d+))?\.mcap")


def path_of(folder: Path, episode: int) -> Path:
    """Returns where an episode is recorded next; what is there already is never written again."""
    stem = f"episode_{episode:04d}"
    number, path = 1, folder / f"{stem}{ENDING}"
    while any(folder.glob(f"{path.name}*")):
        number += 1
        path = folder / f"{stem}_{number}{ENDING}"
    return path


def video_of(folder: Path, episode: int) -> Path:
    """Returns where the video of an episode lies, once it is made."""
    return folder / f"episode_{episode:04d}.mp4"


def unfinished_video_of(folder: Path, episode: int, process: int) -> Path:
    """Returns where a process writes the video of an episode until it is whole."""
    return folder / f".{process}_{video_of(folder, episode).name}"


def unfinished_videos(folder: Path, process: int) -> list[Path]:
    """Returns what a process that ended early has left behind."""
    return list(folder.glob(f".{process}_*.mp4"))


def finished(folder: Path) -> list[Path]:
    """Returns the recordings of a folder that can be read, in the order of their episodes."""
    return sorted(folder.glob(f"*{ENDING}"), key=_order)


def recordings_of(folder: Path) -> dict[int, list[Path]]:
    """Returns the finished recordings of each episode, in the order in which they were made."""
    found: dict[int, list[Path]] = defaultdict(list)
    for path in finished(folder):
        number = episode_of(path)
        if number is not None:
            found[number].append(path)
    return dict(found)


def episode_of(path: Path) -> int | None:
    """Returns the number of the episode of a recording; None for a file of another name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def _order(path: Path) -> tuple[int, int, str]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 1), "") if match else (0, 0, path.name)
