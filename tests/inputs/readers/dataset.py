"""A small LeRobot data set of the rig "bridge", changed as `given` says and judged as at a start.

`given` holds, all optional: `version`, `video`, `lengths` of the data set (two episodes of 4 rows
at 5 Hz); `layout`, `rig`, `rate_hz` to judge it by; and what is wrong with it, in this order:

    info: {fps: 30}                              # keys of meta/info.json; null takes one out
    cells: {timestamp: {episode: 1, values: []}} # one column of an episode's rows; also as a list
    type: {timestamp: float64}                   # another type of a column of all data files
    order: {episode: 1, rows: [0, 2, 1, 3]}      # rows of an episode
    meta: {length: {1: null}}                    # version 3: cells of the list of episodes
    tasks: [...]                                 # version 3: the texts of the list of instructions
    files: {meta/tasks.jsonl: text}              # text of a file; a list of integers for bytes
    encoding: {meta/tasks.jsonl: utf-16}         # of a file
    copies: {to: from}
    cut: {path: bytes}                           # how many are left
    removed: [path]
    pictures: {mode: "I;16", episode: 1}         # pictures of one of Pillow's modes
    film: {episode: 1, pixels: gray16le}         # another video; also frames and rate_hz
    without: [frame_index]                       # columns taken out of all data files
"""

import io
import json
import shutil
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tmrl_common.errors import ConfigError
from tmrl_learner.errors import LearnerError
from tmrl_learner.pi0.dataset_check import check_dataset
from tmrl_learner.pi0.lerobot.columns import ColumnLayout, named_layout
from tmrl_learner.pi0.testing import CAMERA_COLUMN, FPS_HZ, SmallDataset, write_small_dataset
from tmrl_policies.pi0.inputs.rigs import rig_named

from ..reading import Answer, Outcome

_SIDE_PX = 32


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of what fine-tuning does at its start."""
    values = dict(given)
    what = SmallDataset(
        version=values.pop("version", "v2.1"),
        video=values.pop("video", False),
        lengths=tuple(values.pop("lengths", (4, 4))),
    )
    layout, rig = values.pop("layout", "bridge"), rig_named(values.pop("rig", "bridge"))
    rate_hz = values.pop("rate_hz", 0.0)
    root = folder / "data"
    for name, content in _written(what).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for name, change in values.items():
        _CHANGES[name](root, change)
    columns = named_layout(layout) if isinstance(layout, str) else ColumnLayout(**layout)
    try:
        report = check_dataset(root, columns, rig, rate_hz=rate_hz, quiet=True)
    except (LearnerError, ConfigError) as error:
        return Answer(Outcome.REFUSED, str(error))
    counted = f"{report.episodes} episodes, {report.rows} rows"
    prompts = report.demonstrations.instructions()
    text = "; ".join([counted, *prompts, *report.warnings])
    return Answer(Outcome.WARNED if report.warnings else Outcome.TAKEN, text)


@cache
def _written(what: SmallDataset) -> dict[Path, bytes]:
    """The files of a data set that nothing is wrong with."""
    with TemporaryDirectory() as folder:
        root = write_small_dataset(Path(folder) / "data", what)
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root): path.read_bytes() for path in files}


def _info(root: Path, change: dict[str, Any]) -> None:
    path = root / "meta/info.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for key, value in change.items():
        inner, name = values, key
        if key.startswith("features "):
            inner, name = values["features"], key.removeprefix("features ")
        inner[name] = value
        if value is None:
            del inner[name]
    path.write_text(json.dumps(values), encoding="utf-8")


def _data_files(root: Path) -> list[Path]:
    return sorted((root / "data").glob("*/*.parquet"))


def _table_of(root: Path, episode: int) -> tuple[Path, Any, list[int]]:
    """The file of an episode, its table, and the episode's rows in it."""
    for path in _data_files(root):
        table = pq.read_table(path)
        owner = table.column("episode_index").to_pylist()
        if rows := [row for row, index in enumerate(owner) if index == episode]:
            return path, table, rows
    raise ValueError(f"there is no episode {episode}")


def _with_column(table: Any, name: str, values: Any) -> Any:
    if name not in table.column_names:
        return table.append_column(name, values)
    return table.set_column(table.column_names.index(name), name, values)


def _cells(root: Path, change: dict[str, dict[str, Any]]) -> None:
    for column, where in change.items():
        path, table, rows = _table_of(root, where["episode"])
        nothing = [None] * table.num_rows
        known = column in table.column_names
        values = table.column(column).to_pylist() if known else nothing
        for row, value in zip(rows, where["values"], strict=True):
            values[row] = value
        pq.write_table(_with_column(table, column, pa.array(values)), path)


def _type(root: Path, change: dict[str, str]) -> None:
    for path in _data_files(root):
        table = pq.read_table(path)
        for column, name in change.items():
            kind = pa.list_(pa.type_for_alias(name[5:])) if name.startswith("list ") else name
            values = table.column(column).to_pylist()
            table = _with_column(table, column, pa.array(values).cast(kind, safe=False))
        pq.write_table(table, path)


def _order(root: Path, change: dict[str, Any]) -> None:
    path, table, rows = _table_of(root, change["episode"])
    taken = list(range(table.num_rows))
    for row, source in zip(rows, change["rows"], strict=False):
        taken[row] = rows[source]
    taken = taken[: rows[0] + len(change["rows"])] + taken[rows[-1] + 1 :]
    for column in change.get("kept", ()):
        table = _with_column(table, f"kept {column}", table.column(column))
    moved = table.take(pa.array(taken, pa.int64()))
    for column in change.get("kept", ()):
        moved = _with_column(moved, column, table.column(column)).drop_columns(f"kept {column}")
    pq.write_table(moved, path)


def _meta(root: Path, change: dict[str, dict[int, Any]]) -> None:
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    for column, cells in change.items():
        values = table.column(column).to_pylist()
        for row, value in cells.items():
            values[row] = value
        table = _with_column(table, column, pa.array(values))
    pq.write_table(table, path)


def _tasks(root: Path, change: list[Any]) -> None:
    content = {"task_index": list(range(len(change))), "task": change}
    pq.write_table(pa.table(content), root / "meta/tasks.parquet")


def _files(root: Path, change: dict[str, Any]) -> None:
    for name, content in change.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else bytes(content))


def _encoding(root: Path, change: dict[str, str]) -> None:
    for name, encoding in change.items():
        text = (root / name).read_text(encoding="utf-8")
        if encoding == "crlf":
            text, encoding = text.replace("\n", "\r\n"), "utf-8"
        (root / name).write_bytes(text.encode(encoding))


def _copies(root: Path, change: dict[str, str]) -> None:
    for target, source in change.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / source, root / target)


def _cut(root: Path, change: dict[str, int]) -> None:
    for name, left in change.items():
        (root / name).write_bytes((root / name).read_bytes()[:left])


def _removed(root: Path, change: list[str]) -> None:
    for name in change:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _film(root: Path, change: dict[str, Any]) -> None:
    path = root / f"videos/chunk-000/{CAMERA_COLUMN}/episode_{change['episode']:06d}.mp4"
    pixels = change.get("pixels", "yuv420p")
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=Fraction(change.get("rate_hz", FPS_HZ)))
        stream.width, stream.height, stream.pix_fmt = _SIDE_PX, _SIDE_PX, pixels
        for _ in range(change.get("frames", 4)):
            frame = av.VideoFrame(_SIDE_PX, _SIDE_PX, pixels)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _without(root: Path, change: list[str]) -> None:
    for path in _data_files(root):
        pq.write_table(pq.read_table(path).drop_columns(change), path)


def _pictures(root: Path, change: dict[str, Any]) -> None:
    path, table, rows = _table_of(root, change.get("episode", 0))
    values = table.column(CAMERA_COLUMN).to_pylist()
    for row in rows:
        values[row] = {"bytes": _picture(change), "path": None}
    pq.write_table(_with_column(table, CAMERA_COLUMN, pa.array(values)), path)


def _picture(change: dict[str, Any]) -> bytes:
    stream, mode = io.BytesIO(), change["mode"]
    if mode in ("I;16", "F"):
        numbers = np.full((_SIDE_PX, _SIDE_PX), 1200, np.uint16 if mode == "I;16" else np.float32)
        picture = Image.fromarray(numbers)
    else:
        picture = Image.new(mode, (_SIDE_PX, _SIDE_PX))
    picture.save(stream, format=change.get("format", "PNG"))
    return stream.getvalue()


_CHANGES = {
    "info": _info,
    "cells": _cells,
    "type": _type,
    "order": _order,
    "meta": _meta,
    "tasks": _tasks,
    "files": _files,
    "encoding": _encoding,
    "copies": _copies,
    "cut": _cut,
    "removed": _removed,
    "pictures": _pictures,
    "film": _film,
    "without": _without,
}
