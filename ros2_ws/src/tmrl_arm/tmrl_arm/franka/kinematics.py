"""Where the tool of a Franka arm is for given joints: numbers from the maker's documentation.

The seven joints of Panda and Research 3 are described by the same Denavit-Hartenberg parameters in
Craig's convention.
"""

import numpy as np

from tmrl_common.kinematics import Chain, Matrix, Vector

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


class FrankaKinematics:
    """Implements `tmrl_common.kinematics.Kinematics`."""

    @property
    def joints(self) -> int:
        """See `Kinematics.joints`."""
        return FRANKA_JOINTS

    def chain(self, joint_position_rad: Vector) -> Chain:
        """See `Kinematics.chain`; shape (7,), rad."""
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
