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

_A_M = np.array([0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088])
_D_M = np.array([0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0])
_QUARTER_TURNS = np.array([0.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0])
"""Twist of each link, in units of 90 degrees: its sine."""
_STRAIGHT = 1.0 - np.abs(_QUARTER_TURNS)
"""Its cosine."""
_FLANGE_M = 0.107


def _links_at_zero() -> Matrix:
    """X_link_next of each link without its joint's turn, shape (7, 4, 4)."""
    links = np.zeros((FRANKA_JOINTS, 4, 4))
    links[:, 0, 3] = _A_M
    links[:, 1, 2], links[:, 1, 3] = -_QUARTER_TURNS, -_QUARTER_TURNS * _D_M
    links[:, 2, 2], links[:, 2, 3] = _STRAIGHT, _STRAIGHT * _D_M
    links[:, 3, 3] = 1.0
    return links


_LINKS_AT_ZERO = _links_at_zero()


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
    cosines, sines = np.cos(joint_position_rad), np.sin(joint_position_rad)
    links = _LINKS_AT_ZERO.copy()
    links[:, 0, 0], links[:, 0, 1] = cosines, -sines
    links[:, 1, 0], links[:, 1, 1] = sines * _STRAIGHT, cosines * _STRAIGHT
    links[:, 2, 0], links[:, 2, 1] = sines * _QUARTER_TURNS, cosines * _QUARTER_TURNS
    for joint in range(1, FRANKA_JOINTS):
        links[joint] = links[joint - 1] @ links[joint]
    axes, origins_m = links[:, :3, 2], links[:, :3, 3]
    flange_m = origins_m[-1] + _FLANGE_M * axes[-1]
    return Chain(axes, origins_m, links[-1, :3, :3], flange_m)
