"""Where each episode lies: its rows, its videos, and the instructions by number."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.info import DatasetInfo
from tmrl_learner.pi0.lerobot.parquet import column_names, read_columns


@dataclass(frozen=True)
class VideoSpan:
    """The part of a video that belongs to an episode.

    Attributes:
        path: Of the video.
        from_s: Time in the video at which the episode begins, s.
    """

    path: Path
    from_s: float


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode.

    Attributes:
        index: Its number in the data set.
        rows: Number of its rows.
        data_file: Parquet file with its rows.
        first_row: Its first row in that file.
        videos: By column.
    """

    index: int
    rows: int
    data_file: Path
    first_row: int
    videos: Mapping[str, VideoSpan]


def read_episodes(info: DatasetInfo, video_columns: Sequence[str]) -> list[RecordedEpisode]:
    """Lists the episodes in the order of their numbers.

    Args:
        info: Of the data set.
        video_columns: Columns whose videos are wanted.

    Raises:
        DatasetError: A file of the list is absent or damaged, or there is no episode.
    """
    read = _episodes_v3 if info.many_episodes_per_file else _episodes_v2
    episodes = sorted(read(info, video_columns), key=lambda episode: episode.index)
    if not episodes:
        raise DatasetError(f"{info.root} has no episodes")
    return episodes


def read_tasks(info: DatasetInfo) -> dict[int, str]:
    """Instructions by their number.

    Raises:
        DatasetError: The file is absent or damaged.
    """
    if not info.many_episodes_per_file:
        lines = _json_lines(info.root / "meta/tasks.jsonl", ("task_index", "task"))
        return {int(line["task_index"]): str(line["task"]) for line in lines}
    path = info.root / "meta/tasks.parquet"
    # Written from a pandas frame, whose index may have lost its name.
    texts = "task" if "task" in column_names(path) else "__index_level_0__"
    table = read_columns(path, ["task_index", texts])
    return dict(zip(table.values("task_index"), table.values(texts), strict=True))


def _episodes_v2(info: DatasetInfo, video_columns: Sequence[str]) -> Iterator[RecordedEpisode]:
    for line in _json_lines(info.root / "meta/episodes.jsonl", ("episode_index", "length")):
        index = int(line["episode_index"])
        numbers = {"episode_index": index, "episode_chunk": index // info.chunk_size}
        videos = {
            column: VideoSpan(info.video_file(column, **numbers), 0.0) for column in video_columns
        }
        yield RecordedEpisode(index, int(line["length"]), info.data_file(**numbers), 0, videos)


def _episodes_v3(info: DatasetInfo, video_columns: Sequence[str]) -> Iterator[RecordedEpisode]:
    columns = [
        "episode_index",
        "length",
        "dataset_from_index",
        "data/chunk_index",
        "data/file_index",
        *(f"videos/{column}/{name}" for column in video_columns for name in _VIDEO_FIELDS),
    ]
    rows: list[dict[str, Any]] = []
    for path in sorted((info.root / "meta/episodes").glob("*/*.parquet")):
        rows += read_columns(path, columns).rows()
    first_of_file: dict[tuple[int, int], int] = {}
    for row in rows:
        file, first = (row["data/chunk_index"], row["data/file_index"]), row["dataset_from_index"]
        first_of_file[file] = min(first_of_file.setdefault(file, first), first)
    for row in rows:
        file = (row["data/chunk_index"], row["data/file_index"])
        yield RecordedEpisode(
            index=row["episode_index"],
            rows=row["length"],
            data_file=info.data_file(chunk_index=file[0], file_index=file[1]),
            first_row=row["dataset_from_index"] - first_of_file[file],
            videos={column: _video_span(info, column, row) for column in video_columns},
        )


_VIDEO_FIELDS = ("chunk_index", "file_index", "from_timestamp")


def _video_span(info: DatasetInfo, column: str, row: Mapping[str, Any]) -> VideoSpan:
    chunk, file, from_s = (row[f"videos/{column}/{name}"] for name in _VIDEO_FIELDS)
    return VideoSpan(info.video_file(column, chunk_index=chunk, file_index=file), float(from_s))


def _json_lines(path: Path, required: Sequence[str]) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; copy the data set again") from error
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number} is not valid JSON: {error}") from error
        if missing := [name for name in required if name not in values]:
            raise DatasetError(f"{path}, line {number} lacks {', '.join(missing)}")
        lines.append(values)
    return lines
