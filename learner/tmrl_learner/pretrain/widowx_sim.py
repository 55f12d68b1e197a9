"""The simulated WidowX cell as tasks for evaluation; the only module here that imports a cell."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.pretrain.evaluate import Scene
from tmrl_sim.actions import ToolTarget
from tmrl_sim.cell import WidowXCell
from tmrl_sim.demonstrations import POLICY_ACTION_COLUMNS
from tmrl_sim.episode import MAX_STEPS
from tmrl_sim.layouts import OBJECTS, Layout, downstream_layout, pretraining_layout
from tmrl_sim.observation import context, proprio

_LAYOUTS: dict[str, Callable[[np.random.Generator], Layout]] = {
    "carrot": pretraining_layout,
    "sausage": downstream_layout,
}
# Keeps evaluation layouts apart from the demonstrations', which are drawn from (seed, attempt).
_EVALUATION_STREAM = 77


class PickTask:
    """Put one object into the pot.

    The carrot task draws layouts as the demonstrations do; the sausage task is the downstream one,
    which no demonstration solves.
    """

    def __init__(self, cell: WidowXCell, target: str) -> None:
        """Wraps a cell, which is reset at every episode.

        Args:
            cell: The simulated cell.
            target: "carrot" or "sausage".

        Raises:
            ValueError: There is no such task.
        """
        if target not in _LAYOUTS:
            raise ValueError(f"unknown task '{target}'; the tasks are {', '.join(_LAYOUTS)}")
        self._cell = cell
        self._target = target
        self._other = next(name for name in OBJECTS if name != target)
        self._tool_target = ToolTarget.at(np.zeros(3))

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        return MAX_STEPS

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        rng = np.random.default_rng((_EVALUATION_STREAM, seed))
        readings = self._cell.reset(_LAYOUTS[self._target](rng))
        self._tool_target = ToolTarget.at(readings.tool_position_m)
        return self._scene()

    def step(self, action: NDArray[np.float32]) -> Scene:
        """Executes one action: dx, dy, dz [m] from the last commanded target, gripper opening."""
        full = np.zeros(7, dtype=np.float32)
        full[list(POLICY_ACTION_COLUMNS)] = action
        target = self._tool_target = self._tool_target.moved(full)
        self._cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
        return self._scene()

    def _scene(self) -> Scene:
        cell = self._cell
        return Scene(
            proprio=proprio(cell.readings()),
            context=context(cell.object_poses()),
            success=cell.success(self._target),
            wrong_object=self._other in cell.objects_in_pot(),
        )
