"""The BridgeData action space: delta end-effector at 5 Hz, as absolute tool targets."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from tmrl_cell.kinematics import TOOL_DOWN_WXYZ

Array = NDArray[np.float64]

ACTION_NAMES = ("dx_m", "dy_m", "dz_m", "drx_rad", "dry_rad", "drz_rad", "gripper_opening")
MAX_TRANSLATION_M = 0.025
"""Longest translation of one action."""
WORKSPACE_LOW_M: Array = np.array([0.17, -0.25, 0.02])
WORKSPACE_HIGH_M: Array = np.array([0.37, 0.22, 0.17])
"""Box of tool targets in the base frame [m]; every point of it can be reached gripper down."""


@dataclass(frozen=True)
class ToolTarget:
    """The last commanded pose of the tool, to which the next delta is relative."""

    position_m: Array
    """Shape (3,), base frame [m]."""
    quaternion_wxyz: Array
    """Shape (4,), base frame, scalar first."""
    gripper_opening: float
    """0 closed, 1 open."""

    @classmethod
    def at(cls, position_m: Array) -> "ToolTarget":
        """The target of a freshly reset arm: at `position_m`, gripper down and open."""
        return cls(np.array(position_m, dtype=np.float64), TOOL_DOWN_WXYZ.copy(), 1.0)

    def moved(self, action: NDArray[np.floating]) -> "ToolTarget":
        """Applies one action.

        Args:
            action: Shape (7,): translation [m] and rotation vector [rad] in the base frame,
                absolute gripper opening. The translation is shortened to `MAX_TRANSLATION_M`, the
                position is kept inside the workspace box.

        Returns:
            The next target.

        Raises:
            ValueError: `action` has another shape or is not finite.
        """
        if action.shape != (7,) or not np.isfinite(action).all():
            raise ValueError(f"action {action} must be 7 finite numbers: {', '.join(ACTION_NAMES)}")
        values = action.astype(np.float64)
        length_m = float(np.linalg.norm(values[:3]))
        if length_m > MAX_TRANSLATION_M:
            values[:3] *= MAX_TRANSLATION_M / length_m
        quaternion = self.quaternion_wxyz.copy()
        angle_rad = float(np.linalg.norm(values[3:6]))
        if angle_rad > 0.0:
            turn, turned = np.empty(4), np.empty(4)
            mujoco.mju_axisAngle2Quat(turn, values[3:6] / angle_rad, angle_rad)
            mujoco.mju_mulQuat(turned, turn, quaternion)
            quaternion = turned
        return ToolTarget(
            position_m=np.clip(self.position_m + values[:3], WORKSPACE_LOW_M, WORKSPACE_HIGH_M),
            quaternion_wxyz=quaternion,
            gripper_opening=float(np.clip(values[6], 0.0, 1.0)),
        )
