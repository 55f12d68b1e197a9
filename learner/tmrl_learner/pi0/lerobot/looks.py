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
        time_s: Of the row since the episode's start, s.
        in_file: Where it is in its file, in s or rows; only to be compared.
    """

    episode: RecordedEpisode
    column: str
    row: int
    time_s: float
    in_file: float


def look_at_images(
    info: DatasetInfo,
    cameras: Mapping[str, str],
    ends: Sequence[tuple[RecordedEpisode, float]],
    *,
    quiet: bool = False,
) -> None:
    """Decodes the first and the last image that is needed of every file.

    A video that is missing, cut short or of another rate shows here, and not after hours in the
    middle of the training that comes to it.

    Args:
        info: Of the data set.
        cameras: Column of each camera.
        ends: The episodes that are used, with the time of their last rows, s.
        quiet: Whether to show no progress bar.

    Raises:
        DatasetError: An image cannot be used; says how many files are concerned.
    """
    files = list(_by_file(info, cameras, ends).values())
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
    info: DatasetInfo, cameras: Mapping[str, str], ends: Sequence[tuple[RecordedEpisode, float]]
) -> dict[tuple[str, Path], list[_Place]]:
    """The first and the last image of each file."""
    files: dict[tuple[str, Path], list[_Place]] = {}
    for episode, end_s in ends:
        last = episode.rows - 1
        for column in cameras.values():
            path, start, stop = episode.data_file, float(episode.first_row), float(last)
            if info.dtype(column) == "video":
                span = episode.videos[column]
                path, start, stop = span.path, span.from_s, end_s
            files.setdefault((column, path), []).extend(
                (
                    _Place(episode, column, 0, 0.0, start),
                    _Place(episode, column, last, end_s, start + stop),
                )
            )
    return {file: _extremes(places) for file, places in files.items()}


def _extremes(places: Sequence[_Place]) -> list[_Place]:
    first = min(places, key=lambda place: place.in_file)
    return [first, max(places, key=lambda place: place.in_file)]


def _look(info: DatasetInfo, places: Sequence[_Place]) -> str:
    """What is wrong with these images of one file; empty where nothing is."""
    frames = Frames(info, open_files=1)
    try:
        for place in places:
            frames.read(place.episode, place.column, place.row, place.time_s)
    except DatasetError as error:
        return str(error)
    return ""
