"""A task of the Franka's cell, step by step, in the actions of the space droid_joint_velocity_8."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.franka.cell import CONTROL_PERIOD_S, MAX_VELOCITY_RAD_S, FrankaCell
from tmrl_cell.franka.task_file import Layout, Pressed
from tmrl_cell.readings import ArmReadings

Array = NDArray[np.float64]

JOINT_STEP_RAD = 0.2
"""Unit of an action: so much per control period, which is 3 rad/s."""
MAX_JOINT_RAD_S: Array = np.array([0.8, 0.8, 0.8, 0.8, 1.0, 1.0, 1.0])
"""Joint speeds to which an action is scaled, as the rig's controller does."""
WORKSPACE_LOW_M: Array = np.array([0.33, -0.26, 0.045])
WORKSPACE_HIGH_M: Array = np.array([0.68, 0.26, 0.35])
"""Box in which the tool stays, base frame [m]."""
ACTION_NAMES = (*(f"joint{number}_velocity" for number in range(1, 8)), "gripper_closing")

_LOW_M = 0.10
_WALL_DAMPING = 1e-5 * np.eye(3)


class ButtonScene(NamedTuple):
    """What a policy sees before a control step, and how the task stands."""

    proprio: NDArray[np.float32]
    """Shape (8,), see `proprio`."""
    context: NDArray[np.float32]
    """Shape (2 * objects,), see `context`."""
    success: bool
    """Whether the target's cap is, or was in the last control step, pressed far enough."""
    wrong_object: bool
    """The same of another button."""
    low: bool
    """Whether the tool is so low that it could press something."""


class ButtonTask:
    """Executes actions in a cell and says how the task stands."""

    def __init__(self, cell: FrankaCell, goal: Pressed | None = None) -> None:
        """Wraps a cell, which is reset at every episode.

        Args:
            cell: The simulated cell.
            goal: When the task is solved; None: as the task's file says.
        """
        self._cell = cell
        self._goal = goal or cell.task.success

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        return round(self._cell.task.time_limit_s / CONTROL_PERIOD_S)

    def reset(self, layout: Layout, joints_off_rad: Array | None = None) -> ButtonScene:
        """Starts an episode; see `FrankaCell.reset`."""
        self._cell.reset(layout, joints_off_rad)
        return self._scene()

    def step(self, action: NDArray[np.floating]) -> ButtonScene:
        """Executes one action for one control period.

        Args:
            action: Shape (8,): joint velocities in units of `JOINT_STEP_RAD` per control period,
                gripper closing from 0 to 1. Limited as `limited` says.

        Raises:
            ValueError: The action has another shape or is not finite.
        """
        if action.shape != (8,) or not np.isfinite(action).all():
            raise ValueError(f"action {action} must be 8 finite numbers: {', '.join(ACTION_NAMES)}")
        wanted_rad_s = action[:7].astype(np.float64) * (JOINT_STEP_RAD / CONTROL_PERIOD_S)
        closing = float(np.clip(action[7], 0.0, 1.0))
        self._cell.command(limited(self._cell, wanted_rad_s), 1.0 - closing)
        self._cell.advance(CONTROL_PERIOD_S)
        return self._scene()

    def _scene(self) -> ButtonScene:
        readings = self._cell.readings()
        pressed = self._cell.pressed_names(self._goal.by_m)
        return ButtonScene(
            proprio=proprio(readings),
            context=context(self._cell),
            success=self._goal.name in pressed,
            wrong_object=bool(pressed - {self._goal.name}),
            low=bool(readings.tool_position_m[2] < _LOW_M),
        )


def proprio(readings: ArmReadings) -> NDArray[np.float32]:
    """Robot state, shape (8,): the seven joints [rad], and how far the gripper is closed."""
    return np.array(
        (*readings.joint_position_rad, 1.0 - readings.gripper_opening), dtype=np.float32
    )


def context(cell: FrankaCell) -> NDArray[np.float32]:
    """Where the objects are: x, y of each in the base frame [m], in the order of the file."""
    poses = cell.object_poses()
    places = [poses[name].position_m[:2] for name in cell.task.object_names]
    return np.concatenate(places).astype(np.float32)


def limited(cell: FrankaCell, wanted_rad_s: Array) -> Array:
    """Joint velocities within the limits of speed, joints and workspace, shape (7,) [rad/s].

    Args:
        cell: Where the arm is.
        wanted_rad_s: Shape (7,) [rad/s].
    """
    excess = float(np.max(np.abs(wanted_rad_s) / MAX_JOINT_RAD_S))
    velocity = wanted_rad_s / max(1.0, excess)
    readings = cell.readings()
    joints, tool_m = readings.joint_position_rad, readings.tool_position_m
    jacobian = cell.kinematics.jacobian(joints)[:3]
    reached_m = tool_m + jacobian @ velocity * CONTROL_PERIOD_S
    back_m = np.clip(reached_m, WORKSPACE_LOW_M, WORKSPACE_HIGH_M) - reached_m
    if back_m.any():
        square = jacobian @ jacobian.T + _WALL_DAMPING
        velocity = velocity + jacobian.T @ np.linalg.solve(square, back_m / CONTROL_PERIOD_S)
    low_rad, high_rad = cell.joint_limits_rad
    slowest = np.maximum((low_rad - joints) / CONTROL_PERIOD_S, -MAX_VELOCITY_RAD_S)
    fastest = np.minimum((high_rad - joints) / CONTROL_PERIOD_S, MAX_VELOCITY_RAD_S)
    return np.clip(velocity, np.minimum(slowest, 0.0), np.maximum(fastest, 0.0))
