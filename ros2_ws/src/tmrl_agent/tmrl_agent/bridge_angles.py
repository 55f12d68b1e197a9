"""Roll, pitch and yaw of the tool as BridgeData counts them (rail-berkeley/bridge_data_robot)."""

from math import asin, atan2

import numpy as np
from numpy.typing import ArrayLike

from tmrl_common.geometry import matrix_from_quaternion, normalise_quaternion

_R_BASE_DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""The tool with its fingers (x axis) pointing straight down: all three angles are zero there."""


def bridge_angles_rad(q_base_tool: ArrayLike) -> tuple[float, float, float]:
    """Angles roll, pitch, yaw with Rz(yaw) Ry(pitch) Rx(roll) = R_base_tool R_base_downᵀ.

    Args:
        q_base_tool: Rotation of the tool in the base frame, shape (4,), x y z w.

    Returns:
        Roll and yaw in [-pi, pi], pitch in [-pi/2, pi/2], rad. At a pitch of ±pi/2, where the
        fingers are level, only a combination of roll and yaw is determined.

    Raises:
        ValueError: The quaternion is no rotation.
    """
    rotation = matrix_from_quaternion(normalise_quaternion(q_base_tool)) @ _R_BASE_DOWN.T
    pitch = asin(float(np.clip(-rotation[2, 0], -1.0, 1.0)))
    roll = atan2(float(rotation[2, 1]), float(rotation[2, 2]))
    yaw = atan2(float(rotation[1, 0]), float(rotation[0, 0]))
    return roll, pitch, yaw
