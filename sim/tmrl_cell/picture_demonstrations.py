"""Demonstrations with pictures: the same episodes, and what the cameras saw at every step.

They are kept in shards, so that an interrupted recording continues, and nobody holds more pictures
in memory than a shard's besides those that are wanted.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_cell.actions import ToolTarget
from tmrl_cell.cell import WidowXCell
from tmrl_cell.demonstrations import TARGET, Demonstrations, check_expert, joined
from tmrl_cell.episode import ExpertEpisode, follow_expert
from tmrl_cell.expert import Expert
from tmrl_cell.layouts import pretraining_layout
from tmrl_cell.observation import context

SHARD_EPISODES = 50

_PICTURES, _PLACES = "pictures_", "places_"


@dataclass(frozen=True)
class PictureDemonstrations:
    """Successful episodes, N rows, and what the cameras saw."""

    steps: Demonstrations
    """Their rows; the context is where the objects were, which no policy of pictures sees."""
    pictures: dict[str, NDArray[np.uint8]]
    """Of each camera, shape (N, size, size, 3), RGB."""
    places: dict[str, NDArray[np.float32]]
    """Where the objects were in these, shape (N, 2, 3); see `WidowXCell.places_in_picture`."""


def record(
    folder: Path, episodes: int, seed: int, cameras: Sequence[str], size_px: int
) -> PictureDemonstrations:
    """Rolls the expert until `episodes` episodes succeeded, or reads them where that was done.

    Episode i of a seed is that of `tmrl_cell.demonstrations.generate`.

    Args:
        folder: Keeps the shards.
        episodes: Number of successful episodes, at least 1.
        seed: Of layouts and expert.
        cameras: Which of the cell's cameras.
        size_px: Width and height of their pictures [px].

    Raises:
        ValueError: `episodes` is below 1.
        RuntimeError: The expert failed in most of its attempts.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; ask for at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[Path] = []
    attempts = done = 0
    with tqdm(total=episodes, desc="demonstrations with pictures", unit="episode") as progress:
        while done < episodes:
            count = min(SHARD_EPISODES, episodes - done)
            path = folder / f"episodes_{done:05d}_{done + count:05d}.npz"
            if path.exists():
                progress.update(count)
            else:
                _Shard(cameras, size_px, seed, attempts).write(path, count, progress.update)
            with np.load(path, allow_pickle=False) as shard:
                attempts += int(shard["attempts"])
            shards.append(path)
            done += count
    return _read(shards, cameras, attempts)


class _Shard:
    """Episodes of one file, while they are recorded."""

    def __init__(self, cameras: Sequence[str], size_px: int, seed: int, attempts: int) -> None:
        self._cameras = cameras
        self._size_px = size_px
        self._seed = seed
        self._before = attempts
        self._cell = WidowXCell()
        self._seen: dict[str, list[NDArray[Any]]] = {}

    def write(self, path: Path, episodes: int, on_episode: Callable[[], object]) -> None:
        """Records so many successful episodes; a reader never sees half of the file."""
        kept: list[ExpertEpisode] = []
        columns: dict[str, list[NDArray[Any]]] = {}
        attempts = 0
        while len(kept) < episodes:
            episode = self._roll(self._before + attempts)
            attempts += 1
            if episode.success:
                kept.append(episode)
                for name, rows in self._seen.items():
                    columns.setdefault(name, []).extend(rows)
                on_episode()
            check_expert(len(kept), attempts)
        self._cell.close()
        steps = joined(kept, attempts)
        seen: dict[str, Any] = {name: np.stack(rows) for name, rows in columns.items()}
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                proprio=steps.proprio,
                context=steps.context,
                actions=steps.actions,
                episode_lengths=steps.episode_lengths,
                attempts=np.int64(attempts),
                **seen,
            )
        os.replace(partial, path)

    def _roll(self, attempt: int) -> ExpertEpisode:
        rng = np.random.default_rng((self._seed, attempt))
        self._seen = {}
        start = ToolTarget.at(self._cell.reset(pretraining_layout(rng)).tool_position_m)
        expert = Expert(rng, TARGET)
        return follow_expert(self._cell, start, expert, TARGET, policy_sees=self._look)

    def _look(self) -> NDArray[np.float32]:
        cell, size_px = self._cell, self._size_px
        for camera in self._cameras:
            picture = cell.render(camera, size_px, size_px)
            self._seen.setdefault(_PICTURES + camera, []).append(picture)
            self._seen.setdefault(_PLACES + camera, []).append(cell.places_in_picture(camera))
        return context(cell.object_poses())


def _read(shards: Sequence[Path], cameras: Sequence[str], attempts: int) -> PictureDemonstrations:
    names = ["proprio", "context", "actions", "episode_lengths"]
    names += [kind + camera for camera in cameras for kind in (_PICTURES, _PLACES)]
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in shards:
        with np.load(path, allow_pickle=False) as shard:
            for name, found in parts.items():
                found.append(shard[name])
    # One after the other: pictures in pieces and whole at once would take twice the memory.
    whole = {name: np.concatenate(parts.pop(name)) for name in names}
    lengths = whole["episode_lengths"]
    steps = Demonstrations(
        proprio=whole["proprio"],
        context=whole["context"],
        actions=whole["actions"],
        episode_starts=(np.cumsum(lengths) - lengths).astype(np.int64),
        episode_lengths=lengths,
        attempts=attempts,
    )
    pictures = {camera: whole[_PICTURES + camera] for camera in cameras}
    return PictureDemonstrations(steps, pictures, {c: whole[_PLACES + c] for c in cameras})
