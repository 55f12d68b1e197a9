"""A look at the images of a data set before they are needed."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.frames import Frames
from tmrl_learner.pi0.lerobot.info import DatasetInfo

_THREADS = 16
_NAMED = 3


@dataclass(frozen=True)
class _Place:
    """One image.

    Attributes:
        episode: Its episode.
        column: Of the camera.
        row: Within the episode.
        in_file: Where it is in its file, in rows; only to be compared.
    """

    episode: RecordedEpisode
    column: str
    row: int
    in_file: float


def look_at_images(
    info: DatasetInfo,
    cameras: Mapping[str, str],
    episodes: Sequence[RecordedEpisode],
    *,
    quiet: bool = False,
) -> None:
    """Decodes the first and the last images that are needed of every file.

    A video that is missing, cut short or of another rate shows here, and not after hours in the
    middle of the training that comes to it. Of a video it is two each, since every second row has
    an image in a video of half the rate.

    Args:
        info: Of the data set.
        cameras: Column of each camera.
        episodes: Those that are used.
        quiet: Whether to show no progress bar.

    Raises:
        DatasetError: An image cannot be used; says how many files are concerned.
    """
    files = list(_by_file(info, cameras, episodes).values())
    faults: list[str] = []
    with (
        ThreadPoolExecutor(min(_THREADS, 2 * (os.cpu_count() or 1))) as pool,
        tqdm(total=len(files), desc="looking at images", unit="file", disable=quiet) as bar,
    ):
        for look in as_completed([pool.submit(_look, info, places) for places in files]):
            bar.update()
            if fault := look.result():
                faults.append(fault)
    if faults:
        faults.sort()
        more = f"; {len(faults)} of {len(files)} files have a fault" if faults[1:] else ""
        raise DatasetError("; ".join(faults[:_NAMED]) + more)


def _by_file(
    info: DatasetInfo, cameras: Mapping[str, str], episodes: Sequence[RecordedEpisode]
) -> dict[tuple[str, Path], list[_Place]]:
    """The images to look at in each file."""
    files: dict[tuple[str, Path], list[_Place]] = {}
    for episode in episodes:
        for column in cameras.values():
            last = episode.rows - 1
            path, start, rows = episode.data_file, float(episode.first_row), {0, last}
            if info.dtype(column) == "video":
                span = episode.videos[column]
                path, start = span.path, span.from_s * info.fps_hz
                rows |= {min(1, last), max(0, last - 1)}
            files.setdefault((column, path), []).extend(
                _Place(episode, column, row, start + row) for row in sorted(rows)
            )
    return {file: _extremes(places) for file, places in files.items()}


def _extremes(places: Sequence[_Place]) -> list[_Place]:
    ordered = sorted(places, key=lambda place: place.in_file)
    return ordered[:2] + ordered[2:][-2:]


def _look(info: DatasetInfo, places: Sequence[_Place]) -> str:
    """What is wrong with these images of one file; empty where nothing is."""
    frames = Frames(info, open_files=1)
    try:
        for place in places:
            frames.read(place.episode, place.column, place.row, place.row / info.fps_hz)
    except DatasetError as error:
        return str(error)
    return ""
