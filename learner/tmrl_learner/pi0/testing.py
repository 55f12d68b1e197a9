"""Small data sets in LeRobot's format and a small network, for tests and for trying things out.

What the data show: the colour of the image and the instruction decide between two motions.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from tmrl_policies.pi0.config import TINY, TINY_PI05

SMALL = replace(
    TINY,
    siglip=replace(TINY.siglip, patch_px=112),
    action_dim=8,
    horizon=4,
    flow_steps=5,
    prefix_rms=True,
)
"""Four tokens per image, so that a test may train it; smoothed as the command does it."""

SMALL_PI05 = replace(SMALL, pi05=True, prompt_tokens=TINY_PI05.prompt_tokens)
"""The same of pi0.5."""

FPS_HZ = 5
CAMERA_COLUMN = "observation.images.image_0"
COLOURS = ((220, 30, 30), (30, 30, 220))
"""Images of context 0 and 1, RGB."""
PROMPTS = ("put the carrot in the pot", "press the red button on the table")
"""Instructions of context 0 and 1."""
MOTION = 0.1
"""Every action column of context 0; that of context 1 has the other sign."""

_SIDE_PX = 32
_COLUMNS = 7
_NOISE = 0.01


@dataclass(frozen=True)
class SmallDataset:
    """What to write.

    Attributes:
        version: "v2.1" or "v3.0".
        video: Whether images are in videos; otherwise they are inside the tables.
        lengths: Rows of each episode; contexts alternate.
        seed: Of state and noise.
    """

    version: str = "v2.1"
    video: bool = False
    lengths: Sequence[int] = (12, 9, 12, 9)
    seed: int = 0


@dataclass(frozen=True)
class _Episode:
    index: int
    context: int
    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    images: list[NDArray[np.uint8]]


def write_small_dataset(root: Path, what: SmallDataset = SmallDataset()) -> Path:
    """Writes a data set of the rig "bridge".

    Args:
        root: Folder; made if absent.
        what: What to write.

    Returns:
        The folder.
    """
    episodes = list(_episodes(what))
    (root / "meta").mkdir(parents=True)
    _write_info(root, what)
    if what.version == "v3.0":
        _write_v3(root, what, episodes)
    else:
        _write_v2(root, what, episodes)
    return root


def image_of(context: int) -> NDArray[np.uint8]:
    """The image that shows a context, shape (32, 32, 3)."""
    return np.full((_SIDE_PX, _SIDE_PX, 3), COLOURS[context], dtype=np.uint8)


def _episodes(what: SmallDataset) -> Iterator[_Episode]:
    generator = np.random.default_rng(what.seed)
    for index, length in enumerate(what.lengths):
        context = index % 2
        motion = MOTION * (1 - 2 * context)
        shape = (length, _COLUMNS)
        yield _Episode(
            index=index,
            context=context,
            state=generator.normal(size=shape).astype(np.float32),
            actions=(motion + _NOISE * generator.normal(size=shape)).astype(np.float32),
            # A corner that gets lighter tells the frames of a video apart.
            images=[_with_corner(image_of(context), row) for row in range(length)],
        )


def _with_corner(image: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
    marked = image.copy()
    marked[: _SIDE_PX // 4, : _SIDE_PX // 4] = min(255, 12 * row)
    return marked


def _write_info(root: Path, what: SmallDataset) -> None:
    vector = {"dtype": "float32", "shape": [_COLUMNS], "names": None}
    image = {"dtype": "video" if what.video else "image", "shape": [_SIDE_PX, _SIDE_PX, 3]}
    v2 = "chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    v3 = "{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    v2_data = "chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    v3_data = "chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    new = what.version == "v3.0"
    info = {
        "codebase_version": what.version,
        "fps": FPS_HZ,
        "total_episodes": len(what.lengths),
        "chunks_size": 1000,
        "data_path": "data/" + (v3_data if new else v2_data),
        "video_path": "videos/" + (v3 if new else v2) if what.video else None,
        "features": {"observation.state": vector, "action": vector, CAMERA_COLUMN: image},
    }
    (root / "meta/info.json").write_text(json.dumps(info), encoding="utf-8")


def _write_v2(root: Path, what: SmallDataset, episodes: list[_Episode]) -> None:
    tasks = [{"task_index": index, "task": text} for index, text in enumerate(PROMPTS)]
    _write_lines(root / "meta/tasks.jsonl", tasks)
    lines = [{"episode_index": e.index, "length": len(e.state)} for e in episodes]
    _write_lines(root / "meta/episodes.jsonl", lines)
    for episode in episodes:
        name = f"episode_{episode.index:06d}"
        _write_table(root / f"data/chunk-000/{name}.parquet", [episode], what)
        if what.video:
            _write_video(root / f"videos/chunk-000/{CAMERA_COLUMN}/{name}.mp4", episode.images)


def _write_v3(root: Path, what: SmallDataset, episodes: list[_Episode]) -> None:
    """Two episodes per data file; all episodes in one video."""
    tasks = {"task_index": list(range(len(PROMPTS))), "task": list(PROMPTS)}
    pq.write_table(pa.table(tasks), root / "meta/tasks.parquet")
    rows: list[dict[str, Any]] = []
    start = 0
    for episode in episodes:
        row: dict[str, Any] = {
            "episode_index": episode.index,
            "length": len(episode.state),
            "dataset_from_index": start,
            "data/chunk_index": 0,
            "data/file_index": episode.index // 2,
        }
        if what.video:
            row |= {f"videos/{CAMERA_COLUMN}/{name}": 0 for name in ("chunk_index", "file_index")}
            row[f"videos/{CAMERA_COLUMN}/from_timestamp"] = start / FPS_HZ
        rows.append(row)
        start += len(episode.state)
    folder = root / "meta/episodes/chunk-000"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "file-000.parquet")
    for number in range(0, len(episodes), 2):
        path = root / f"data/chunk-000/file-{number // 2:03d}.parquet"
        _write_table(path, episodes[number : number + 2], what)
    if what.video:
        images = [image for episode in episodes for image in episode.images]
        _write_video(root / f"videos/{CAMERA_COLUMN}/chunk-000/file-000.mp4", images)


def _write_table(path: Path, episodes: list[_Episode], what: SmallDataset) -> None:
    lengths = [len(episode.state) for episode in episodes]
    columns: dict[str, Any] = {
        "observation.state": [row.tolist() for e in episodes for row in e.state],
        "action": [row.tolist() for e in episodes for row in e.actions],
        "timestamp": pa.array(
            [row / FPS_HZ for length in lengths for row in range(length)], pa.float32()
        ),
        "frame_index": [row for length in lengths for row in range(length)],
        "episode_index": np.repeat([episode.index for episode in episodes], lengths),
        "task_index": np.repeat([episode.context for episode in episodes], lengths),
    }
    if not what.video:
        columns[CAMERA_COLUMN] = [
            {"bytes": _png(image), "path": None} for e in episodes for image in e.images
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=10)


def _write_video(path: Path, images: list[NDArray[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(FPS_HZ))
        stream.width = stream.height = _SIDE_PX
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _png(image: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
