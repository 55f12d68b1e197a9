"""A benchmark's tasks side by side."""

from collections.abc import Mapping

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.benchmarks import POINTMAZE_GIANT
from tmrl_experiments.ogbench.environment import ChunkedTask
from tmrl_experiments.ogbench.maze_vector import MazeVector

Vector = MazeVector | SyncVectorEnv


def make_vector(name: str, count: int) -> Vector:
    """Environments side by side; the caller resets those whose episode ended (`reset_some`).

    Args:
        name: Of the benchmark.
        count: How many.
    """
    if name == POINTMAZE_GIANT.name:
        return MazeVector(name, count)
    return SyncVectorEnv(
        [lambda: ChunkedTask(name) for _ in range(count)], autoreset_mode=AutoresetMode.DISABLED
    )


def reset_some(environments: Vector, seeds: Mapping[int, int]) -> FloatArray:
    """Starts episodes in some of the environments.

    Args:
        environments: As made by `make_vector`.
        seeds: Number of the environment to seed of its episode, at least one.

    Returns:
        The newest observations of all environments, (count, P + C).
    """
    mask = np.zeros(environments.num_envs, np.bool_)
    mask[list(seeds)] = True
    per_environment = [seeds.get(i) for i in range(environments.num_envs)]
    observations, _ = environments.reset(seed=per_environment, options={"reset_mask": mask})
    return observations
