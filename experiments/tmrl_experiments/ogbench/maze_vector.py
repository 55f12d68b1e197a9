"""The maze's tasks for many points at once."""

from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.environment import ChunkedTask

_STEP_M = 0.2
"""How far an action of 1 moves the point."""
_GOAL_RADIUS_M = 1.0

Positions = NDArray[np.float64]


class MazeVector(VectorEnv[FloatArray, FloatArray, Any]):
    """What `ChunkedTask` is in a maze, for many points in one maze, which never meet.

    An action displaces its point, which then is at rest: where the point touches no wall, the
    physics engine changes nothing. It is asked about the others only; stepping it for every point
    takes most of the time otherwise.

    `reset` takes a seed per point and `options["reset_mask"]`, as Gymnasium's own vectors do where
    nothing is reset automatically.

    Args:
        name: Of a benchmark in a maze.
        count: Number of points.
    """

    def __init__(self, name: str, count: int) -> None:
        self._task = ChunkedTask(name)
        self._maze = self._task.inner
        self.num_envs = count
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space = self._task.observation_space
        self.single_action_space = self._task.action_space
        self.observation_space = batch_space(self.single_observation_space, count)
        self.action_space = batch_space(self.single_action_space, count)
        self._walls = self._maze.maze_map != 0
        self._origin = np.array(self._maze.ij_to_xy((0, 0)))
        self._unit_m = float(self._maze.ij_to_xy((0, 1))[0] - self._origin[0])
        self._radius_m = float(self._maze.model.geom("pointbody").size[0])
        self._xy: Positions = np.zeros((count, 2))
        self._goal = np.zeros((count, 2), np.float32)
        self._goal_xy: Positions = np.zeros((count, 2))
        self._steps = np.zeros(count, np.int64)
        self._ids = np.zeros(count, np.int64)

    def reset(
        self,
        *,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Starts episodes; returns the observations of all points and the ids of their tasks."""
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        seeds = seed if isinstance(seed, list) else [seed] * self.num_envs
        for i in np.flatnonzero(mask):
            _, info = self._task.reset(seed=seeds[i])
            self._xy[i] = self._maze.get_xy()
            self._goal[i] = self._task.goal
            self._goal_xy[i] = self._maze.cur_goal_xy
            self._steps[i], self._ids[i] = 0, info["task"]
        return self._shown(), {"task": self._ids.copy()}

    def step(
        self, actions: FloatArray
    ) -> tuple[FloatArray, NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Executes a chunk with every point, (count, h, A); see `ChunkedTask.step`."""
        before = self._steps.copy()
        limit = self._task.benchmark.max_steps
        solved = np.zeros(self.num_envs, np.bool_)
        running = np.arange(self.num_envs)
        for row in np.clip(actions, -1.0, 1.0).transpose(1, 0, 2):
            self._xy[running] = self._moved(self._xy[running], row[running])
            self._steps[running] += 1
            away = np.linalg.norm(self._xy[running] - self._goal_xy[running], axis=1)
            solved[running] = away <= _GOAL_RADIUS_M
            running = running[~solved[running] & (self._steps[running] < limit)]
            if not running.size:
                break
        truncated = (self._steps >= limit) & ~solved
        info = {"task": self._ids.copy(), "steps": self._steps - before, "is_success": solved}
        return self._shown(), np.where(solved, 0.0, -1.0), solved, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Releases the maze."""
        self._maze.close()

    def _moved(self, xy: Positions, actions: FloatArray) -> Positions:
        moved = xy + _STEP_M * actions
        model, data = self._maze.model, self._maze.data
        for i in np.flatnonzero(self._touches(moved)):
            data.qpos[:] = moved[i]
            data.qvel[:] = 0.0
            # What the solver starts from must not be another point's.
            data.qacc_warmstart[:] = 0.0
            mujoco.mj_step(model, data, nstep=self._maze.frame_skip)
            moved[i] = data.qpos
        return moved

    def _touches(self, xy: Positions) -> NDArray[np.bool_]:
        """Whether each point, (n, 2), touches a wall."""
        offset = (xy - self._origin) / self._unit_m
        cell = np.rint(offset).astype(np.int64)
        inside_m = (offset - cell) * self._unit_m
        gap_m = self._unit_m / 2 - np.abs(inside_m)
        side = np.where(gap_m < self._radius_m, np.sign(inside_m), 0.0).astype(np.int64)
        (x, y), (dx, dy) = cell.T, side.T
        corner = self._walls[y + dy, x + dx] & (np.linalg.norm(gap_m, axis=1) < self._radius_m)
        return self._walls[y, x + dx] | self._walls[y + dy, x] | corner

    def _shown(self) -> FloatArray:
        spec = self._task.benchmark
        proprio, context = spec.scene(self._xy.astype(np.float32), self._goal)
        return np.concatenate([proprio, context], axis=1)
