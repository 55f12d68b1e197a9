"""Where an arm's tool is for given joints, and how its joints move it; every arm brings its own."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Chain:
    """An arm of n revolute joints in one posture, in its base frame.

    What is mounted on the flange is not known here and need not be: a measured tool pose together
    with the measured joints says where the tool sits on the flange.

    Attributes:
        axes: Axis of each joint, shape (n, 3), unit length.
        origins_m: A point on each axis, shape (n, 3), m.
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
            Shape (6, n): rows of m/s and then of rad/s in the base frame, per rad/s of each joint.
        """
        return np.vstack([np.cross(self.axes, tool_m - self.origins_m).T, self.axes.T])


class Kinematics(Protocol):
    """The geometry of one model of arm."""

    @property
    def joints(self) -> int:
        """How many joints it has, n."""
        ...

    def chain(self, joint_position_rad: Vector) -> Chain:
        """The arm in a posture.

        Args:
            joint_position_rad: Shape (n,), rad, in the order of the driver's joint names.
        """
        ...
