"""Where each episode lies: its rows, its videos, and the instructions by number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.info import DatasetInfo
from tmrl_learner.pi0.lerobot.parquet import column_names, read_columns
from tmrl_learner.pi0.lerobot.text_files import json_lines
from tmrl_learner.pi0.lerobot.values import instruction, real_number, whole_number

_OUTCOME = "outcome"
"""An entry of ours, which LeRobot leaves alone."""


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
        outcome: How it ended, in the words of the list; empty where the list does not say.
    """

    index: int
    rows: int
    data_file: Path
    first_row: int
    videos: Mapping[str, VideoSpan]
    outcome: str = ""


def read_episodes(info: DatasetInfo, video_columns: Sequence[str]) -> list[RecordedEpisode]:
    """Lists the episodes in the order of their numbers.

    Args:
        info: Of the data set.
        video_columns: Columns whose videos are wanted.

    Raises:
        DatasetError: A file of the list is absent or damaged, there is no episode or one twice, or
            two episodes share a part of a video.
    """
    read = _episodes_v3 if info.many_episodes_per_file else _episodes_v2
    episodes = sorted(read(info, video_columns), key=lambda episode: episode.index)
    if not episodes:
        raise DatasetError(f"{info.root} has no episodes; record or copy some")
    for one, next_one in pairwise(episodes):
        if one.index == next_one.index:
            raise DatasetError(
                f"{info.root / 'meta'} lists episode {one.index} twice, with {one.rows} and "
                f"{next_one.rows} rows; it would count twice: remove one"
            )
    for column in video_columns:
        _check_spans(info, column, episodes)
    return episodes


def read_tasks(info: DatasetInfo) -> dict[int, str]:
    """Instructions by their number; empty where there is none.

    Raises:
        DatasetError: The file is absent or damaged, or an instruction is no text.
    """
    tasks: dict[int, str] = {}
    for where, number, text in _task_entries(info):
        index = whole_number(number, f"{where}: task_index")
        task = instruction(text, f"{where}: task")
        if tasks.setdefault(index, task) != task:
            raise DatasetError(
                f"{where}: task_index {index} is '{task}' and '{tasks[index]}'; give each "
                "instruction a number of its own"
            )
    return tasks


def _task_entries(info: DatasetInfo) -> Iterator[tuple[str, Any, Any]]:
    """Place, number and text of each instruction, as they stand there."""
    if not info.many_episodes_per_file:
        for where, line in json_lines(info.root / "meta/tasks.jsonl", ("task_index", "task")):
            yield where, line["task_index"], line["task"]
        return
    path = info.root / "meta/tasks.parquet"
    # Written from a pandas frame, whose index may have lost its name.
    texts = "task" if "task" in column_names(path) else "__index_level_0__"
    for number, row in enumerate(read_columns(path, ["task_index", texts]).rows()):
        yield f"{path}, row {number}", row["task_index"], row[texts]


def _episodes_v2(info: DatasetInfo, video_columns: Sequence[str]) -> Iterator[RecordedEpisode]:
    for where, line in json_lines(info.root / "meta/episodes.jsonl", ("episode_index", "length")):
        index = whole_number(line["episode_index"], f"{where}: episode_index")
        length = whole_number(line["length"], f"{where}: length", least=1)
        numbers = {"episode_index": index, "episode_chunk": index // info.chunk_size}
        videos = {
            column: VideoSpan(info.video_file(column, **numbers), 0.0) for column in video_columns
        }
        outcome = str(line.get(_OUTCOME) or "")
        yield RecordedEpisode(index, length, info.data_file(**numbers), 0, videos, outcome)


class _Entry:
    """One row of version 3's list, with its values checked when they are asked for."""

    def __init__(self, path: Path, row: Mapping[str, Any]) -> None:
        self._row = row
        self._path = path

    def whole(self, name: str, *, least: int = 0) -> int:
        return whole_number(self._row[name], self._where(name), least=least)

    def real(self, name: str) -> float:
        return real_number(self._row[name], self._where(name))

    @property
    def outcome(self) -> str:
        return str(self._row.get(_OUTCOME) or "")

    def _where(self, name: str) -> str:
        return f"{self._path}: {name} of episode {self._row['episode_index']}"

    @property
    def file(self) -> tuple[int, int]:
        return self.whole("data/chunk_index"), self.whole("data/file_index")


def _episodes_v3(info: DatasetInfo, video_columns: Sequence[str]) -> Iterator[RecordedEpisode]:
    columns = [
        "episode_index",
        "length",
        "dataset_from_index",
        "data/chunk_index",
        "data/file_index",
        *(f"videos/{column}/{name}" for column in video_columns for name in _VIDEO_FIELDS),
    ]
    entries = [
        _Entry(path, row)
        for path in sorted((info.root / "meta/episodes").glob("*/*.parquet"))
        for row in read_columns(path, columns, where_there=[_OUTCOME]).rows()
    ]
    first_of_file: dict[tuple[int, int], int] = {}
    for entry in entries:
        first = entry.whole("dataset_from_index")
        first_of_file[entry.file] = min(first_of_file.setdefault(entry.file, first), first)
    for entry in entries:
        chunk, file = entry.file
        yield RecordedEpisode(
            index=entry.whole("episode_index"),
            rows=entry.whole("length", least=1),
            data_file=info.data_file(chunk_index=chunk, file_index=file),
            first_row=entry.whole("dataset_from_index") - first_of_file[entry.file],
            videos={column: _video_span(info, column, entry) for column in video_columns},
            outcome=entry.outcome,
        )


_VIDEO_FIELDS = ("chunk_index", "file_index", "from_timestamp")


def _video_span(info: DatasetInfo, column: str, entry: _Entry) -> VideoSpan:
    chunk, file = (entry.whole(f"videos/{column}/{name}") for name in _VIDEO_FIELDS[:2])
    from_s = entry.real(f"videos/{column}/{_VIDEO_FIELDS[2]}")
    return VideoSpan(info.video_file(column, chunk_index=chunk, file_index=file), from_s)


def _check_spans(info: DatasetInfo, column: str, episodes: Sequence[RecordedEpisode]) -> None:
    """Refuses episodes that would see each other's images."""
    by_video: dict[Path, list[RecordedEpisode]] = {}
    for episode in episodes:
        by_video.setdefault(episode.videos[column].path, []).append(episode)
    for path, sharing in by_video.items():
        sharing.sort(key=lambda episode: episode.videos[column].from_s)
        for one, next_one in pairwise(sharing):
            begins_s = next_one.videos[column].from_s
            ends_s = one.videos[column].from_s + one.rows / info.fps_hz
            if begins_s < ends_s - 0.5 / info.fps_hz:
                raise DatasetError(
                    f"{path}: episode {next_one.index} begins at {begins_s:.3f} s, before episode "
                    f"{one.index} ends, at {ends_s:.3f} s; one of them would see the other's "
                    f"images: correct where the videos of '{column}' begin in "
                    f"{info.root / 'meta'}"
                )
