"""What an arm reports after a control step; the same for the physics cell and the loopback."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.layouts import Layout

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArmReadings:
    """State of the arm at one instant."""

    time_s: float
    """Simulated time since the reset [s]."""
    joint_position_rad: Array
    """Shape (n,), in the order of the cell's joint names [rad]."""
    joint_velocity_rad_s: Array
    """Shape (n,), same order [rad/s]."""
    tool_position_m: Array
    """Shape (3,): origin of the tool frame in the base frame [m]."""
    tool_quaternion_wxyz: Array
    """Shape (4,): rotation of the tool frame in the base frame, scalar first."""
    gripper_opening: float
    """Measured opening, 0 (fingers touch) to 1 (fully open)."""
    gripper_commanded: float
    """Opening asked for by the last command, 0 to 1."""


@dataclass(frozen=True)
class ObjectPose:
    """Pose of one object in the base frame."""

    position_m: Array
    """Shape (3,) [m]."""
    quaternion_wxyz: Array
    """Shape (4,), scalar first."""


class Cell(ABC):
    """What a task needs from a simulated cell."""

    @abstractmethod
    def reset(self, layout: Layout) -> ArmReadings:
        """Puts the arm and the objects where `layout` says."""

    @abstractmethod
    def command(
        self,
        position_m: Array,
        quaternion_wxyz: Array,
        gripper_opening: float,
        duration_s: float = 0.2,
    ) -> None:
        """Sets a new target, to be reached `duration_s` later; raises ValueError on a bad one."""

    @abstractmethod
    def hold(self) -> None:
        """Drops the target and stays where the arm is."""

    @abstractmethod
    def advance(self, duration_s: float) -> ArmReadings:
        """Lets time pass."""

    def step(
        self,
        position_m: Array,
        quaternion_wxyz: Array,
        gripper_opening: float,
        duration_s: float = 0.2,
    ) -> ArmReadings:
        """Moves the tool to a pose in the base frame, arriving after `duration_s`."""
        self.command(position_m, quaternion_wxyz, gripper_opening, duration_s)
        return self.advance(duration_s)

    @abstractmethod
    def readings(self) -> ArmReadings:
        """The arm's state now."""

    @abstractmethod
    def snapshot(self) -> Array:
        """A copy of the positions of everything that moves."""

    @abstractmethod
    def object_poses(self) -> dict[str, ObjectPose]:
        """Pose of every object by name."""

    @abstractmethod
    def objects_in_pot(self) -> frozenset[str]:
        """Names of the objects that lie in the pot."""

    @abstractmethod
    def success(self, target: str) -> bool:
        """Whether `target` lies in the pot and the gripper is open."""
