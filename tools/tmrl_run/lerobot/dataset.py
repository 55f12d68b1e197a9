"""Writes a LeRobot data set of version 3, which is whole after every episode.

Each episode has files of its own, written under other names first. What refers to a file comes
after it: instructions, videos, rows, the list of episodes, and `info.json` at the end.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tmrl_common.storage import refusals
from tmrl_ros.recordings import Pixels, pixels_of
from tmrl_run.errors import RunError
from tmrl_run.lerobot import statistics
from tmrl_run.lerobot.rows import Episode

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CONTEXT = "observation.environment_state"
"""LeRobot's name for what is known of the scene without a picture."""
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FILES_PER_CHUNK = 1000
_CODEC = "libx264"
_QUALITY = {"crf": "18", "g": "2", "bf": "0"}
"""Every second picture is whole: a reader that asks for one decodes two."""
_SAMPLED = 20
"""Pictures of an episode that its statistics look at."""
_TEMPORARY = ".incomplete"
_INDEXED = json.dumps(
    {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": stored}
            | {"metadata": None}
            for name, kind, stored in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ],
        "pandas_version": "2.0.0",
    }
)
"""LeRobot reads the instructions with pandas, and takes them from the frame's index."""


@dataclass(frozen=True)
class Layout:
    """What all episodes of a data set share.

    Attributes:
        robot: Type of the arm.
        fps_hz: Rows per second.
        state: Names of the state's values.
        actions: Names of the actions' columns.
        session: The run that the data come from.
        context: Names of the positions of objects that the policy is given; empty for none.
    """

    robot: str
    fps_hz: float
    state: Sequence[str]
    actions: Sequence[str]
    session: str
    context: Sequence[str] = ()


class Dataset:
    """A data set that grows by episodes."""

    def __init__(self, root: Path, layout: Layout) -> None:
        """Writes nothing yet.

        Args:
            root: Folder; empty, or to be made.
            layout: See there.
        """
        self._root = root
        self._layout = layout
        self._tasks: list[str] = []
        self._statistics: dict[str, list[statistics.Statistics]] = {}
        self._pictures: dict[str, tuple[int, int]] = {}
        self.episodes = 0
        self.rows = 0

    def add(self, episode: Episode) -> None:
        """Adds an episode.

        Raises:
            RunError: It has other cameras, other sizes, or a damaged picture; nothing was added.
            StorageError: The disk refuses; what was added before is whole.
        """
        with refusals(self._root):
            self._add(episode)

    def _add(self, episode: Episode) -> None:
        numbers = self._numbers
        self._check_cameras(episode)
        sizes: dict[str, tuple[int, int]] = {}
        made: list[tuple[Path, Path]] = []
        found: dict[str, statistics.Statistics] = {}
        try:
            for camera in sorted(episode.pictures):
                key = video_key(camera)
                path = self._place(VIDEO.format(video_key=key, **numbers))
                made.append((_beside(path), path))
                recorded = episode.pictures[camera]
                sizes[key], found[key] = self._encode(key, recorded, _beside(path))
            table = self._table(episode)
            path = self._place(DATA.format(**numbers))
            made.append((_beside(path), path))
            pq.write_table(table, _beside(path))
        except BaseException:
            for temporary, _ in made:
                temporary.unlink(missing_ok=True)
            raise
        self._pictures = sizes
        if episode.task not in self._tasks:
            self._tasks.append(episode.task)
        self._write_tasks()
        for temporary, path in made:
            temporary.replace(path)
        found |= {name: statistics.of_rows(_array(table, name)) for name in self._columns}
        self._list(episode, found)
        self.episodes += 1
        self.rows += len(episode)
        self._write_json("meta/stats.json", self._joined(found))
        self._write_json("meta/info.json", self._info())

    @property
    def _numbers(self) -> dict[str, int]:
        chunk, file = divmod(self.episodes, FILES_PER_CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def _place(self, name: str) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _check_cameras(self, episode: Episode) -> None:
        keys = {video_key(camera) for camera in episode.pictures}
        if self.episodes and keys != self._pictures.keys():
            raise RunError(
                f"it has the cameras {sorted(keys) or 'none'}; the episodes before it have "
                f"{sorted(self._pictures) or 'none'}: choose with --cameras"
            )

    def _encode(
        self, key: str, recorded: Sequence[Any], path: Path
    ) -> tuple[tuple[int, int], statistics.Statistics]:
        first = pixels_of(recorded[0])
        size = first.shape[0], first.shape[1]
        expected = self._pictures.get(key, size)
        sampled: list[Pixels] = []
        every = max(1, len(recorded) // _SAMPLED)
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream(_CODEC, rate=_fraction(self._layout.fps_hz))
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
            stream.options = dict(_QUALITY)
            for number, message in enumerate(recorded):
                pixels = pixels_of(message)
                if pixels.shape[:2] != expected:
                    raise RunError(f"{key} changes its size from {expected} to {pixels.shape[:2]}")
                if number % every == 0:
                    sampled.append(pixels)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        return size, statistics.of_pictures(sampled)

    @property
    def _columns(self) -> dict[str, dict[str, Any]]:
        """Every column of the tables, as `info.json` describes it."""

        def one(dtype: str) -> dict[str, Any]:
            return {"dtype": dtype, "shape": [1], "names": None}

        def vector(names: Sequence[str]) -> dict[str, Any]:
            return {"dtype": "float32", "shape": [len(names)], "names": list(names)}

        objects = {CONTEXT: vector(self._layout.context)} if self._layout.context else {}
        return {
            "observation.state": vector(self._layout.state),
            **objects,
            "action": vector(self._layout.actions),
            "sigma": one("float32"),
            "driver": one("int64"),
            "outcome": one("int64"),
            "stamp_s": one("float64"),
            "timestamp": one("float32"),
            "frame_index": one("int64"),
            "episode_index": one("int64"),
            "index": one("int64"),
            "task_index": one("int64"),
        }

    def _table(self, episode: Episode) -> pa.Table:
        count = len(episode)
        if episode.actions.shape[1] != len(self._layout.actions):
            raise RunError(
                f"its actions have {episode.actions.shape[1]} columns; the action space has "
                f"{len(self._layout.actions)}"
            )
        rows = np.arange(count)
        task = [*self._tasks, episode.task].index(episode.task)
        values: dict[str, Any] = {
            "observation.state": episode.state,
            CONTEXT: episode.context,
            "action": episode.actions,
            "sigma": episode.sigma,
            "driver": episode.driver,
            "outcome": np.full(count, int(episode.outcome)),
            "stamp_s": episode.stamp_s,
            "timestamp": rows / self._layout.fps_hz,
            "frame_index": rows,
            "episode_index": np.full(count, self.episodes),
            "index": self.rows + rows,
            "task_index": np.full(count, task),
        }
        arrays = {
            name: _arrow(np.asarray(values[name]), feature)
            for name, feature in self._columns.items()
        }
        return pa.table(arrays)

    def _list(self, episode: Episode, found: Mapping[str, statistics.Statistics]) -> None:
        chunk, file = self._numbers["chunk_index"], self._numbers["file_index"]
        row: dict[str, Any] = {
            "episode_index": self.episodes,
            "tasks": [episode.task],
            "length": len(episode),
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.rows,
            "dataset_to_index": self.rows + len(episode),
        }
        for key in sorted(self._pictures):
            row |= {
                f"videos/{key}/chunk_index": chunk,
                f"videos/{key}/file_index": file,
                f"videos/{key}/from_timestamp": 0.0,
                f"videos/{key}/to_timestamp": len(episode) / self._layout.fps_hz,
            }
        for key, values in found.items():
            row |= {f"stats/{key}/{name}": value for name, value in values.items()}
        row |= {
            "meta/episodes/chunk_index": chunk,
            "meta/episodes/file_index": file,
            "run_session": self._layout.session,
            "run_episode": episode.number,
            "outcome": episode.outcome.name.lower(),
        }
        path = self._place(EPISODES.format(**self._numbers))
        pq.write_table(pa.Table.from_pylist([row]), _beside(path))
        _beside(path).replace(path)

    def _joined(self, found: Mapping[str, statistics.Statistics]) -> dict[str, Any]:
        for key, values in found.items():
            earlier = self._statistics.get(key, [])
            self._statistics[key] = [statistics.joined([*earlier, values])]
        return {key: values[0] for key, values in self._statistics.items()}

    def _write_tasks(self) -> None:
        path = self._place("meta/tasks.parquet")
        table = pa.table({"task_index": list(range(len(self._tasks))), "task": self._tasks})
        pq.write_table(table.replace_schema_metadata({"pandas": _INDEXED}), _beside(path))
        _beside(path).replace(path)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        path = self._place(name)
        _beside(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        _beside(path).replace(path)

    def _info(self) -> dict[str, Any]:
        layout = self._layout
        return {
            "codebase_version": VERSION,
            "robot_type": layout.robot,
            "total_episodes": self.episodes,
            "total_frames": self.rows,
            "total_tasks": len(self._tasks),
            "chunks_size": FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": int(layout.fps_hz) if float(layout.fps_hz).is_integer() else layout.fps_hz,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": DATA,
            "video_path": VIDEO if self._pictures else None,
            "features": self._columns | {k: self._video(v) for k, v in self._pictures.items()},
        }

    def _video(self, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "dtype": "video",
            "shape": [*size, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.height": size[0],
                "video.width": size[1],
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "video.fps": self._layout.fps_hz,
                "video.channels": 3,
                "has_audio": False,
            },
        }


def video_key(camera: str) -> str:
    """Column of a camera."""
    return f"observation.images.{camera}"


def _beside(path: Path) -> Path:
    """Where a file is written before it gets its name; no pattern of a reader matches it."""
    return path.with_name(f".{path.name}{_TEMPORARY}")


def _fraction(rate_hz: float) -> Fraction:
    return Fraction(rate_hz).limit_denominator(1001)


def _arrow(values: "np.ndarray[Any, Any]", feature: Mapping[str, Any]) -> Any:
    flat = pa.array(values.astype(feature["dtype"]).reshape(-1))
    if values.ndim == 1:
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _array(table: pa.Table, name: str) -> "np.ndarray[Any, Any]":
    values = np.array(table.column(name).to_pylist())
    return values.reshape(len(values), -1)
