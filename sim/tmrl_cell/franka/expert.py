"""A scripted expert that presses one button: differential inverse kinematics, no memory.

It stays on the button: one that rose again would teach to rise wherever it came down. The way down
is a funnel: the tool sinks only as it comes closer to its goal, so a tool that is low and beside a
button first rises.
"""

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.franka.button_task import JOINT_STEP_RAD
from tmrl_cell.franka.cell import CONTROL_PERIOD_S
from tmrl_cell.franka.kinematics import TOOL_DOWN_WXYZ, DifferentialKinematics

Array = NDArray[np.float64]

PRESS_HEIGHT_M = 0.045
"""Where the tool is sent to: lower than a cap lets it, so that the fist arrives at full speed."""

_TRAVEL_HEIGHT_M = 0.16
_SPEED_M_S = 0.15
_TURN_RAD_S = 0.5
_FUNNEL_SLOPE = 1.6
_NEAR_M = 0.006
_SETTLING_S = 0.2
_CLOSED = 1.0


class ButtonExpert:
    """Presses the button at `goal_xy_m` and keeps it down. One per episode.

    Args:
        rng: Source of its choices.
        kinematics: Of the arm.
        goal_xy_m: Centre of the button, base frame [m].
    """

    def __init__(
        self,
        rng: np.random.Generator,
        kinematics: DifferentialKinematics,
        goal_xy_m: tuple[float, float],
    ) -> None:
        self._kinematics = kinematics
        self._goal_xy = np.array(goal_xy_m)
        self._speed_m_s = _SPEED_M_S * rng.uniform(0.85, 1.0)

    def act(self, joints_rad: Array) -> NDArray[np.float32]:
        """Chooses the next action.

        Args:
            joints_rad: Where the joints are, shape (7,) [rad].

        Returns:
            Shape (8,): joint velocities in units of `JOINT_STEP_RAD` per control period, gripper
            closing.
        """
        tool_m, tool_wxyz = self._kinematics.tool(joints_rad)
        way_m = self._way(tool_m)
        linear = _no_longer(way_m / _SETTLING_S, self._speed_m_s)
        turn = self._kinematics.rotation_to(tool_wxyz, TOOL_DOWN_WXYZ)
        angular = _no_longer(turn / _SETTLING_S, _TURN_RAD_S)
        velocity = self._kinematics.velocity(joints_rad, linear, angular)
        steps = velocity * (CONTROL_PERIOD_S / JOINT_STEP_RAD)
        return np.array((*steps, _CLOSED), dtype=np.float32)

    def _way(self, tool_m: Array) -> Array:
        across_m = self._goal_xy - tool_m[:2]
        away_m = max(float(np.linalg.norm(across_m)) - _NEAR_M, 0.0)
        height_m = min(PRESS_HEIGHT_M + _FUNNEL_SLOPE * away_m, _TRAVEL_HEIGHT_M)
        return np.array((*across_m, height_m - tool_m[2]))


def _no_longer(vector: Array, length: float) -> Array:
    return vector * min(1.0, length / max(float(np.linalg.norm(vector)), 1e-12))
