"""Data sets of OGBench, recorded with the oracles and environments that its package ships.

The published data sets cannot be downloaded everywhere. Where they are present they are used;
elsewhere the same behaviour is recorded again: navigation in the large maze to ever new goals where
paths meet, bend or end, and picking and placing one cube at ever new places.
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_common.types import FloatArray
from tmrl_learner.errors import LearnerError

STEPS_PER_EPISODE = 1000
_EPISODES_PER_SHARD = 20
_DOWNLOADS = Path("~/.ogbench/data").expanduser()
_POINTMAZE_ACTION_NOISE = 0.5


class RecordingError(LearnerError):
    """A data set is absent or damaged; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """Observations and actions of whole episodes, row after row.

    Attributes:
        observations: Shape (N, S), float32, as the environment gives them.
        actions: Shape (N, A), float32, in [-1, 1]; row i was executed at observation i.
        episode_ends: Last row of each episode plus one, shape (E,), ascending.
        source: Where the rows come from, for the record of a training.
    """

    observations: FloatArray
    actions: FloatArray
    episode_ends: np.ndarray[Any, np.dtype[np.int64]]
    source: str


@dataclass(frozen=True)
class Recipe:
    """How one data set is made.

    Attributes:
        name: Name of OGBench's published data set.
        edition: Part of the folder's name: shards of an older recipe must not be mixed with these.
        episodes: Episodes of `STEPS_PER_EPISODE` steps to record.
        record: Records one episode from a seed: observations and actions.
    """

    name: str
    edition: str
    episodes: int
    record: Callable[[int], tuple[FloatArray, FloatArray]]


def load_recording(name: str, store: Path, seed: int, workers: int) -> Recording:
    """The published data set if it was downloaded, else the recorded one, recorded first if needed.

    Args:
        name: One of `RECIPES`.
        store: Folder for recorded shards; an interrupted recording continues with the next shard.
        seed: Of the recording.
        workers: Processes that record side by side.

    Raises:
        RecordingError: There is no such data set, or a file is damaged.
    """
    if name not in RECIPES:
        raise RecordingError(f"unknown data set '{name}'; there are: {', '.join(RECIPES)}")
    published = _DOWNLOADS / f"{name}.npz"
    if published.exists():
        return _published(published)
    recipe = RECIPES[name]
    folder = store / f"{name}{recipe.edition}-seed{seed}"
    shards = [
        (name, folder / f"shard_{first:04d}.npz", seed, first)
        for first in range(0, recipe.episodes, _EPISODES_PER_SHARD)
    ]
    missing = [shard for shard in shards if not shard[1].exists()]
    if missing:
        # A forked child would inherit torch's threads in an unknown state.
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            done = pool.imap_unordered(_record_shard, missing)
            bar = tqdm(done, f"recording {name}", len(shards), unit="shard")
            bar.update(len(shards) - len(missing))
            for _ in bar:
                pass
    return _joined([path for _, path, _, _ in shards], f"recorded, seed {seed}")


def _published(path: Path) -> Recording:
    with np.load(path, allow_pickle=False) as archive:
        ends = np.flatnonzero(archive["terminals"]).astype(np.int64) + 1
        return Recording(
            archive["observations"].astype(np.float32),
            archive["actions"].astype(np.float32),
            ends,
            f"published, {path.name}",
        )


def _joined(paths: list[Path], source: str) -> Recording:
    observations: list[FloatArray] = []
    actions: list[FloatArray] = []
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as archive:
                observations.append(archive["observations"])
                actions.append(archive["actions"])
        except (OSError, ValueError, KeyError) as error:
            raise RecordingError(f"{path} is damaged ({error}); remove it and run again") from error
    rows = sum(len(part) for part in actions)
    ends = np.arange(STEPS_PER_EPISODE, rows + 1, STEPS_PER_EPISODE, dtype=np.int64)
    return Recording(np.concatenate(observations), np.concatenate(actions), ends, source)


def _record_shard(job: tuple[str, Path, int, int]) -> None:
    """Records one shard; episode i of a seed is the same whatever the number of workers."""
    name, path, seed, first = job
    recipe = RECIPES[name]
    last = min(first + _EPISODES_PER_SHARD, recipe.episodes)
    episodes = [recipe.record(seed * 1_000_003 + i) for i in range(first, last)]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            observations=np.concatenate([o for o, _ in episodes]),
            actions=np.concatenate([a for _, a in episodes]),
        )
    os.replace(partial, path)


def _environment(name: str, **options: Any) -> Any:
    """The bare OGBench environment; Any, because its package has no types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing display and float64 bounds, both harmless
        import gymnasium
        import ogbench  # noqa: F401  # pyright: ignore[reportUnusedImport]  # registers its names

        return gymnasium.make(name, max_episode_steps=None, **options).unwrapped


_made: dict[str, Any] = {}


def _reused(name: str, **options: Any) -> Any:
    """One environment per process: compiling the cube's model takes longer than an episode."""
    if name not in _made:
        _made[name] = _environment(name, **options)
    return _made[name]


def outside_corridors(maze_map: NDArray[np.int64]) -> NDArray[np.int64]:
    """Free cells at which a path bends, branches or ends, (cells, 2).

    Args:
        maze_map: 1 where there is a wall, its outermost cells included.
    """
    free = np.pad(maze_map == 0, 1)
    above, below, left, right = free[:-2, 1:-1], free[2:, 1:-1], free[1:-1, :-2], free[1:-1, 2:]
    vertical = above & below & ~left & ~right
    horizontal = left & right & ~above & ~below
    return np.argwhere((maze_map == 0) & ~vertical & ~horizontal)


def _record_pointmaze(seed: int) -> tuple[FloatArray, FloatArray]:
    """A noisy walker on shortest paths through the large maze, from goal to goal.

    As the published data: it starts in any cell, and its goals lie outside corridors.
    """
    maze = _reused("pointmaze-large-v0", terminate_at_goal=False)
    rng = np.random.default_rng(seed)
    goals = outside_corridors(maze.maze_map)
    start = tuple(rng.choice(np.argwhere(maze.maze_map == 0)))

    @cache
    def next_cell(cell: tuple[int, int], goal: tuple[int, int]) -> FloatArray:
        return maze.get_oracle_subgoal(maze.ij_to_xy(cell), maze.ij_to_xy(goal))[0]

    # The environment draws its start noise from numpy's global generator.
    np.random.seed(seed % 2**32)
    maze.action_space.seed(seed)
    task = {"init_ij": start, "goal_ij": tuple(rng.choice(goals))}
    xy, _ = maze.reset(seed=seed, options={"task_info": task})
    observations = np.empty((STEPS_PER_EPISODE, 2), np.float32)
    actions = np.empty((STEPS_PER_EPISODE, 2), np.float32)
    for i in range(STEPS_PER_EPISODE):
        step = next_cell(maze.xy_to_ij(xy), maze.xy_to_ij(maze.cur_goal_xy)) - xy
        noise = rng.normal(0.0, _POINTMAZE_ACTION_NOISE, 2)
        action = np.clip(step / (np.linalg.norm(step) + 1e-6) + noise, -1.0, 1.0)
        observations[i], actions[i] = xy, action
        xy, _, _, _, info = maze.step(action)
        if info["success"]:
            maze.set_goal(goal_xy=maze.add_noise(maze.ij_to_xy(rng.choice(goals))))
    return observations, actions


def _record_cube(seed: int) -> tuple[FloatArray, FloatArray]:
    """The package's planning oracle, one pick and place after the other."""
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle

    cube = _reused(
        "cube-single-v0", terminate_at_goal=False, mode="data_collection", visualize_info=False
    )
    oracle: Any = CubePlanOracle(env=cube)
    # The oracle draws its plans from numpy's global generator.
    np.random.seed(seed % 2**32)
    observation, info = cube.reset(seed=seed)
    oracle.reset(observation, info)
    observations = np.empty((STEPS_PER_EPISODE, observation.size), np.float32)
    actions = np.empty((STEPS_PER_EPISODE, 5), np.float32)
    for i in range(STEPS_PER_EPISODE):
        action = np.clip(oracle.select_action(observation, info), -1.0, 1.0)
        observations[i], actions[i] = observation, action
        observation, _, _, _, info = cube.step(action)
        if oracle.done:
            observation, info = cube.set_new_target()
            oracle.reset(observation, info)
    return observations, actions


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("pointmaze-large-navigate-v0", "-outside-corridors", 1000, _record_pointmaze),
        Recipe("cube-single-play-v0", "", 300, _record_cube),
    )
}
