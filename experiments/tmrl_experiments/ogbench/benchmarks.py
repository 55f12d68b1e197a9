"""The two benchmarks of the paper's figures 5 and 6, as values."""

from dataclasses import dataclass

import numpy as np

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.recording import Recording

_CUBE_GOAL = slice(19, 22)
"""Columns of the cube's position in an observation, scaled: 10 (xyz - (0.425, 0, 0)) [m]."""
_CUBE_X_LIMIT_SCALED = 10.0 * (0.4 - 0.425)


@dataclass(frozen=True)
class Benchmark:
    """A policy's data and the unfamiliar tasks that reinforcement must solve with it.

    Attributes:
        name: As on the command line.
        recording: Data set for pre-training.
        environment: Gymnasium's name of the environment with the tasks.
        task_ids: The environment's tasks that are used, counted from 1.
        proprio_dim: Length P of what the context noise leaves alone.
        context_dim: Length C of the context that it corrupts.
        action_dim: Length A of an action.
        horizon: Actions H of a chunk.
        execute_steps: Actions of a chunk that are executed.
        max_steps: Control steps after which an episode is truncated.
        wavelengths_m: Of the sines and cosines of the position that actor and critics see beside
            robot state and context; none where nothing is said with a map.
        goal_discount: Factor by which the chance of a hindsight goal falls per step ahead; 1: the
            goal is always the last that was reached.
    """

    name: str
    recording: str
    environment: str
    task_ids: tuple[int, ...]
    proprio_dim: int
    context_dim: int
    action_dim: int
    horizon: int
    execute_steps: int
    max_steps: int
    wavelengths_m: tuple[float, ...]
    goal_discount: float

    def scene(self, observation: FloatArray, goal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Splits what the environment shows into robot state and context.

        Args:
            observation: (..., S).
            goal: The observation that is wanted, (..., S).

        Returns:
            Robot state (..., P) and context (..., C). In the maze all is context: position and
            goal; with the cube the context is its goal position alone.
        """
        if self.name == CUBE_SINGLE.name:
            return observation, goal[..., _CUBE_GOAL]
        return observation[..., :0], np.concatenate([observation, goal], axis=-1)

    def waves(self, observations: FloatArray) -> FloatArray:
        """Sines and cosines of the position in a maze, (N, P + C) to (N, 4 W) for W wavelengths.

        A critic that sees the two coordinates alone is smooth across walls, and what it learns of
        the places it knows it takes for true of those it has never been to.
        """
        position_m = observations[:, self.proprio_dim : self.proprio_dim + 2]
        phases = [2.0 * np.pi * position_m / length for length in self.wavelengths_m]
        parts = [wave(phase) for phase in phases for wave in (np.sin, np.cos)]
        return np.concatenate([observations[:, :0], *parts], axis=1)

    def familiar(self, recording: Recording) -> np.ndarray:
        """Which rows belong to the training region, (N,) bool: cube at x <= 0.4 m, all of the maze.

        The tasks' goals lie at x = 0.5 m, so nothing in the data ever puts the cube there.
        """
        if self.name == CUBE_SINGLE.name:
            return recording.observations[:, _CUBE_GOAL.start] <= _CUBE_X_LIMIT_SCALED
        return np.ones(len(recording.observations), np.bool_)


POINTMAZE_GIANT = Benchmark(
    name="pointmaze-giant",
    recording="pointmaze-large-navigate-v0",
    environment="pointmaze-giant-v0",
    # All but the first, whose shortest path is the longest together with that of the third.
    task_ids=(2, 3, 4, 5),
    proprio_dim=0,
    context_dim=4,
    action_dim=2,
    horizon=32,
    execute_steps=16,
    max_steps=1000,
    wavelengths_m=(64.0, 32.0, 16.0, 8.0),
    # About 100 steps ahead, five cells. The last of 1000 steps fits the heading of one row in six.
    goal_discount=0.99,
)
CUBE_SINGLE = Benchmark(
    name="cube-single",
    recording="cube-single-play-v0",
    environment="cube-single-v0",
    # Those that start at x = 0.35 m, inside the training region, and end at 0.5 m, outside of it.
    task_ids=(2, 4, 5),
    proprio_dim=28,
    context_dim=3,
    action_dim=5,
    horizon=16,
    execute_steps=8,
    max_steps=200,
    wavelengths_m=(),
    goal_discount=0.0,
)
BENCHMARKS = {benchmark.name: benchmark for benchmark in (POINTMAZE_GIANT, CUBE_SINGLE)}


def benchmark(name: str) -> Benchmark:
    """The benchmark called `name`.

    Raises:
        ConfigError: There is none; the message gives the nearest name.
    """
    if name not in BENCHMARKS:
        raise ConfigError(f"unknown benchmark '{name}'; {nearest_name(name, [*BENCHMARKS])}")
    return BENCHMARKS[name]
