"""Images of a data set: frames of its videos, or pictures inside its tables."""

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import av
import av.error
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tmrl_common.config import nearest_name
from tmrl_common.json_object import is_json_object
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.info import DatasetInfo
from tmrl_learner.pi0.lerobot.parquet import open_parquet
from tmrl_learner.pi0.lerobot.text_files import what_it_is

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""

Opened = TypeVar("Opened")

_OPEN_FILES = 16

_DEEP = (
    "holds numbers of more than 8 bits per pixel ({}), such as depth; the network takes colour: "
    "name a colour camera in columns.cameras"
)
_UNREADABLE = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
)
"""What Pillow raises of damaged files of one format or another."""
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "L", "LA", "P", "PA", "CMYK", "YCbCr", "1")
"""Pillow's names of pictures of at most 8 bits per colour."""


class _LastUsed(Generic[Opened]):
    """Keeps the files used last open; closes the one not used for longest."""

    def __init__(self, limit: int, close: Callable[[Opened], None]) -> None:
        self._limit = limit
        self._close = close
        self._opened: OrderedDict[Path, Opened] = OrderedDict()

    def get(self, path: Path, open_file: Callable[[Path], Opened]) -> Opened:
        """The opened file."""
        if path not in self._opened:
            self._opened[path] = open_file(path)
            if len(self._opened) > self._limit:
                self._close(self._opened.popitem(last=False)[1])
        self._opened.move_to_end(path)
        return self._opened[path]


class Frames:
    """Reads the image of one camera at one row. Use from one thread of one process.

    Files are opened at the first use, so that a copy handed to a worker process opens its own.

    Args:
        info: Of the data set.
        open_files: Bound on the videos, and on the tables, that stay open.
    """

    def __init__(self, info: DatasetInfo, open_files: int = _OPEN_FILES) -> None:
        self._info = info
        self._videos = _LastUsed[Any](open_files, lambda video: video.close())
        self._tables = _LastUsed[pq.ParquetFile](open_files, lambda table: table.close())

    def read(self, episode: RecordedEpisode, column: str, row: int, time_s: float) -> Pixels:
        """Reads one image.

        Args:
            episode: Episode of the image.
            column: Column of the camera.
            row: Row within the episode.
            time_s: Time of the row since the episode's start, s.

        Raises:
            DatasetError: The file is absent or damaged, or there is no image at that time.
        """
        if self._info.dtype(column) == "video":
            span = episode.videos[column]
            return self._video_frame(span.path, span.from_s + time_s)
        return self._picture(episode, column, row)

    def _video_frame(self, path: Path, time_s: float) -> Pixels:
        """The frame nearest to a time; half a frame's duration is the most it may be away."""
        video = self._videos.get(path, _open_video)
        stream = video.streams.video[0]
        tolerance_s = 0.5 / self._info.fps_hz
        nearest, distance_s, time = None, float("inf"), float("nan")
        try:
            video.seek(max(0, int((time_s - tolerance_s) / stream.time_base)), stream=stream)
            for frame in video.decode(stream):
                if frame.time is not None and abs(frame.time - time_s) < distance_s:
                    nearest, distance_s, time = frame, abs(frame.time - time_s), frame.time
                if frame.time is not None and frame.time >= time_s:
                    break
        except av.error.FFmpegError as error:
            raise DatasetError(f"{path} cannot be decoded at {time_s:.3f} s: {error}") from error
        # Times are rounded to the video's clock, and a little more where videos were joined.
        if nearest is None or distance_s > tolerance_s * 1.1:
            raise DatasetError(
                f"{path} has no frame within {tolerance_s:.3f} s of {time_s:.3f} s (nearest: "
                f"{time:.3f} s): the video is shorter than its episode or has another rate than "
                f"{self._info.fps_hz:g} Hz"
            )
        if nearest.format.components[0].bits > 8 and len(nearest.format.components) == 1:
            raise DatasetError(f"{path} {_DEEP.format(nearest.format.name)}")
        return nearest.to_ndarray(format="rgb24")

    def _picture(self, episode: RecordedEpisode, column: str, row: int) -> Pixels:
        path = episode.data_file
        table = self._tables.get(path, open_parquet)
        value: object = _cell(path, table, column, episode.first_row + row)
        where = f"{path}: column '{column}', row {episode.first_row + row}"
        if value is None:
            value = {}
        if not is_json_object(value):
            raise DatasetError(
                f"{where} holds a {type(value).__name__}; it must hold an encoded picture, with "
                "its bytes or its path"
            )
        return _decoded(self._content(where, value), where)

    def _content(self, where: str, value: Mapping[str, Any]) -> bytes:
        content = value.get("bytes")
        if content is None and value.get("path"):
            picture = self._info.root / value["path"]
            if not picture.is_file():
                raise DatasetError(f"{where} names {picture}, which is missing")
            content = picture.read_bytes()
        if not content:
            raise DatasetError(f"{where} has no image; leave the episode out or repair it")
        return content


def _decoded(content: bytes, where: str) -> Pixels:
    try:
        picture = Image.open(io.BytesIO(content))
        mode = picture.mode
        pixels = np.asarray(picture.convert("RGB"))
    except _UNREADABLE as error:
        raise DatasetError(
            f"{where} is no whole image: {error}; copy the data set again"
        ) from error
    if mode not in _COLOUR_MODES:
        raise DatasetError(f"{where} {_DEEP.format(mode)}")
    return pixels


def _open_video(path: Path) -> Any:
    try:
        video = av.open(str(path))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; copy the videos again") from error
    except (av.error.FFmpegError, OSError) as error:
        fault = what_it_is(path, f"not a whole video: {error}; copy it again")
        raise DatasetError(f"{path} is {fault}") from error
    if not video.streams.video:
        raise DatasetError(f"{path} is not a whole video: nothing in it is one; copy it again")
    return video


def _cell(path: Path, table: pq.ParquetFile, column: str, row: int) -> Any:
    """One value, reading no more than its row group."""
    names: list[str] = list(table.schema_arrow.names)
    if column not in names:
        raise DatasetError(f"{path} has no column '{column}'; {nearest_name(column, names)}")
    for group in range(table.num_row_groups):
        rows = table.metadata.row_group(group).num_rows
        if row < rows:
            return (
                table.read_row_group(group, columns=[column], use_threads=False)
                .column(0)[row]
                .as_py()
            )
        row -= rows
    raise DatasetError(f"{path} ends before row {row}; copy it again")
