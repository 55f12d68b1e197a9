"""The task of the cell, step by step: put one object into the pot with 4-d policy actions."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.actions import ToolTarget
from tmrl_cell.demonstrations import POLICY_ACTION_COLUMNS
from tmrl_cell.layouts import OBJECTS, Layout
from tmrl_cell.observation import context, holds_something, proprio
from tmrl_cell.readings import ArmReadings, Cell
from tmrl_common.config import nearest_name


class PickScene(NamedTuple):
    """What a policy sees before a control step, and how the task stands."""

    proprio: NDArray[np.float32]
    """Shape (5,), see `tmrl_cell.observation.proprio`."""
    context: NDArray[np.float32]
    """Shape (C,), see `tmrl_cell.observation.context`; other tasks show more."""
    success: bool
    """Whether the target lies in the pot and the gripper is open."""
    wrong_object: bool
    """Whether the other object lies in the pot."""
    holding: bool
    """Whether something is in the gripper."""


class PickTask:
    """Executes actions in a cell and says how the task stands."""

    def __init__(
        self,
        cell: Cell,
        target: str,
        policy_sees: Callable[[], NDArray[np.float32]] | None = None,
    ) -> None:
        """Wraps a cell, which is reset at every episode.

        Args:
            cell: The simulated cell.
            target: Object that belongs into the pot.
            policy_sees: Gives the context; None: where the objects are.

        Raises:
            ValueError: There is no such object.
        """
        if target not in OBJECTS:
            raise ValueError(f"target is {target!r}; {nearest_name(target, [*OBJECTS])}")
        self._cell = cell
        self._policy_sees = policy_sees or (lambda: context(cell.object_poses()))
        self.target = target
        self._other = next(name for name in OBJECTS if name != target)
        self._tool_target = ToolTarget.at(np.zeros(3))

    def reset(self, layout: Layout) -> PickScene:
        """Starts an episode from `layout`."""
        return self.begin(self._cell.reset(layout))

    def begin(self, start: ArmReadings) -> PickScene:
        """Starts an episode in a cell that was just laid out; `start` is the arm's state there."""
        self._tool_target = ToolTarget.at(start.tool_position_m)
        return self._scene()

    def step(self, action: NDArray[np.floating]) -> PickScene:
        """Executes one action for one control period.

        Args:
            action: Shape (4,): dx, dy, dz [m] in the base frame from the last commanded target,
                gripper opening (0 closed, 1 open). Limited as `ToolTarget.moved` says.

        Raises:
            ValueError: The action is not finite.
        """
        full = np.zeros(7)
        full[list(POLICY_ACTION_COLUMNS)] = action
        target = self._tool_target = self._tool_target.moved(full)
        self._cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
        return self._scene()

    def _scene(self) -> PickScene:
        cell, robot = self._cell, proprio(self._cell.readings())
        return PickScene(
            proprio=robot,
            context=self._policy_sees(),
            success=cell.success(self.target),
            wrong_object=self._other in cell.objects_in_pot(),
            holding=holds_something(robot),
        )
