"""The benchmarks' tasks as Gymnasium environments whose action is a whole chunk."""

import warnings
from typing import Any

import gymnasium
import numpy as np

from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.benchmarks import Benchmark, benchmark


class ChunkedTask(gymnasium.Env[FloatArray, FloatArray]):
    """One of a benchmark's tasks per episode, in turns.

    Observation: robot state, then context, (P + C,), raw units. Action: (h, A) in [-1, 1], executed
    step by step until the task is solved or the time is up. Reward: -1 per chunk, 0 on the chunk
    that succeeds. `terminated` means solved, `truncated` out of time; `info` has `steps` executed,
    `task` and `is_success`.

    Args:
        name: Of the benchmark.

    Attributes:
        benchmark: The one of that name.
        inner: OGBench's own environment; Any, because its package has no types.
        goal: The observation that is wanted, (S,), as of the last reset.
    """

    def __init__(self, name: str) -> None:
        self.benchmark: Benchmark = benchmark(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a missing display and float64 bounds, both harmless
            import ogbench  # noqa: F401  # pyright: ignore[reportUnusedImport]  # registers names

            options = {"visualize_info": False} if name == "cube-single" else {}
            made = gymnasium.make(self.benchmark.environment, max_episode_steps=None, **options)
        self.inner: Any = made.unwrapped
        spec = self.benchmark
        self.observation_space = gymnasium.spaces.Box(
            -np.inf, np.inf, (spec.proprio_dim + spec.context_dim,), np.float32
        )
        self.action_space = gymnasium.spaces.Box(
            -1.0, 1.0, (spec.execute_steps, spec.action_dim), np.float32
        )
        self._turn = 0
        self.goal = np.zeros(0, np.float32)
        self._steps = 0
        self._task = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Start, goal and whatever else is random follow from it; absent, from the last one.
            options: `task` picks a task id; absent, the tasks take turns.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._turn = seed
        ids = self.benchmark.task_ids
        self._task = (options or {}).get("task", ids[self._turn % len(ids)])
        self._turn += 1
        inner_seed = int(self.np_random.integers(2**31))
        # The maze draws start and goal from numpy's global generator and random actions from its
        # action space.
        np.random.seed(inner_seed)
        self.inner.action_space.seed(inner_seed)
        observation, info = self.inner.reset(seed=inner_seed, options={"task_id": self._task})
        self.goal = np.asarray(info["goal"], np.float32)
        self._steps = 0
        return self._shown(observation), {"task": self._task}

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Executes a chunk (h, A); values outside [-1, 1] are clipped, as the environment does."""
        before, success, observation = self._steps, False, np.zeros(0)
        for row in np.clip(action, -1.0, 1.0):
            observation, _, _, _, inner_info = self.inner.step(row)
            self._steps += 1
            success = bool(inner_info["success"])
            if success or self._steps == self.benchmark.max_steps:
                break
        truncated = self._steps == self.benchmark.max_steps and not success
        info = {"task": self._task, "steps": self._steps - before, "is_success": success}
        return self._shown(observation), 0.0 if success else -1.0, success, truncated, info

    def _shown(self, observation: Any) -> FloatArray:
        proprio, context = self.benchmark.scene(np.asarray(observation, np.float32), self.goal)
        return np.concatenate([proprio, context])


gymnasium.register("tmrl/ogbench-v0", "tmrl_experiments.ogbench.environment:ChunkedTask")
