"""Where the tool of a Franka arm is for given joints: numbers from the maker's documentation.

The seven joints of Panda and Research 3 are described by the same Denavit-Hartenberg parameters in
Craig's convention. What is mounted on the flange is not known here and need not be: a measured tool
pose together with the measured joints says where the tool sits on the flange.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FRANKA_JOINTS = 7

_A_M = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
_D_M = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
_QUARTER_TURNS = (0, -1, 1, 1, -1, 1, 1)
"""Twist of each link, in units of 90 degrees."""
_FLANGE_M = 0.107


@dataclass(frozen=True)
class Chain:
    """The frames of the joints for one posture, in the base frame.

    Attributes:
        axes: Unit vector of each joint's axis, shape (7, 3).
        origins_m: Origin of each joint's frame, shape (7, 3), m.
        R_base_flange: Rotation of the flange, shape (3, 3).
        flange_m: Origin of the flange, shape (3,), m.
    """

    axes: Matrix
    origins_m: Matrix
    R_base_flange: Matrix
    flange_m: Vector

    def point_m(self, p_flange_tool_m: Vector) -> Vector:
        """A point given in the frame of the flange, in the base frame, shape (3,), m."""
        return self.flange_m + self.R_base_flange @ p_flange_tool_m

    def mounted_m(self, tool_m: Vector) -> Vector:
        """A point given in the base frame, in the frame of the flange, shape (3,), m."""
        return self.R_base_flange.T @ (tool_m - self.flange_m)

    def jacobian(self, tool_m: Vector) -> Matrix:
        """How joint velocities move the tool.

        Args:
            tool_m: The tool in the base frame, shape (3,), m.

        Returns:
            Shape (6, 7): rows of m/s and then of rad/s in the base frame, per rad/s of each joint.
        """
        return np.vstack([np.cross(self.axes, tool_m - self.origins_m).T, self.axes.T])


def franka_chain(joint_position_rad: Vector) -> Chain:
    """The frames of a Franka arm.

    Args:
        joint_position_rad: Shape (7,), rad.
    """
    rotation, origin_m = np.eye(3), np.zeros(3)
    axes, origins_m = np.empty((FRANKA_JOINTS, 3)), np.empty((FRANKA_JOINTS, 3))
    cosines, sines = np.cos(joint_position_rad).tolist(), np.sin(joint_position_rad).tolist()
    for joint in range(FRANKA_JOINTS):
        c, s, turns = cosines[joint], sines[joint], float(_QUARTER_TURNS[joint])
        straight = 1.0 - abs(turns)
        link = np.array(
            [[c, -s, 0.0], [s * straight, c * straight, -turns], [s * turns, c * turns, straight]]
        )
        offset_m = np.array([_A_M[joint], -turns * _D_M[joint], straight * _D_M[joint]])
        origin_m = origin_m + rotation @ offset_m
        rotation = rotation @ link
        axes[joint], origins_m[joint] = rotation[:, 2], origin_m
    return Chain(axes, origins_m, rotation, origin_m + _FLANGE_M * rotation[:, 2])
