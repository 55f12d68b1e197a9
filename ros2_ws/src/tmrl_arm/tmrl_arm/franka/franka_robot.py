"""What the control of a Franka needs from the robot, in plain types; franky is one way to it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.franka.redundant_ik import Chain

Array = NDArray[np.float64]


class RobotMode(StrEnum):
    """The modes of a Franka, by libfranka's names."""

    OTHER = "Other"
    IDLE = "Idle"
    MOVE = "Move"
    GUIDING = "Guiding"
    REFLEX = "Reflex"
    USER_STOPPED = "UserStopped"
    RECOVERING = "AutomaticErrorRecovery"


class MotionAbortedError(Exception):
    """The robot ended a motion; its text is what libfranka says."""


@dataclass(frozen=True)
class RobotSample:
    """State of the robot at one instant.

    Attributes:
        robot_time_s: By the robot's own clock, s; it stands still when the connection is broken.
        joint_position_rad: Shape (7,), rad.
        joint_velocity_rad_s: Shape (7,), rad/s.
        joint_effort_nm: Shape (7,), N m.
        tool_position_m: End effector in the base frame, shape (3,), m.
        tool_quaternion_xyzw: Its rotation there, shape (4,).
        mode: What the robot is doing.
        errors: Names of the errors that hold now, or that ended the last motion in a reflex.
    """

    robot_time_s: float
    joint_position_rad: Array
    joint_velocity_rad_s: Array
    joint_effort_nm: Array
    tool_position_m: Array
    tool_quaternion_xyzw: Array
    mode: RobotMode
    errors: tuple[str, ...]


class Hand(Protocol):
    """A gripper whose movements block."""

    def opening(self) -> float:
        """Measured, 0 closed to 1 open; may wait for the next measurement.

        Raises:
            ArmConnectionError: The connection broke.
        """
        ...

    def start(self, opening: float) -> None:
        """Sets off to an opening; the call before must be over.

        Raises:
            ArmConnectionError: The connection broke.
        """
        ...

    def wait(self, timeout_s: float) -> bool:
        """Waits for the movement in progress; whether it is over.

        Raises:
            HandError: The hand gave up; the text says why.
            ArmConnectionError: The connection broke.
        """
        ...


class HandError(Exception):
    """The hand could not do what was asked of it."""


class Robot(Protocol):
    """A connected Franka. `sample`, `move` and `recover` are never called at the same time."""

    @property
    def chain(self) -> Chain:
        """Its kinematics, with the end effector as it is configured."""
        ...

    def sample(self) -> RobotSample:
        """The newest state.

        Raises:
            ArmConnectionError: The connection broke.
        """
        ...

    def move(self, velocity_rad_s: Array, hold_s: float) -> None:
        """Change to these joint velocities, smoothly; without a newer call stop after `hold_s`.

        Raises:
            MotionAbortedError: The robot ended the motion before this one.
            ArmConnectionError: The connection broke.
        """
        ...

    def halt(self) -> None:
        """Change to rest as fast as the robot may.

        Raises:
            MotionAbortedError: The robot ended the motion before.
            ArmConnectionError: The connection broke.
        """
        ...

    def poll(self) -> bool:
        """Looks how the last motion went; whether it is still in progress.

        Raises:
            MotionAbortedError: The robot ended it.
            ArmConnectionError: The connection broke.
        """
        ...

    def recover(self) -> None:
        """Asks the robot to clear its errors; its state tells whether it did. May take seconds.

        Raises:
            ArmFaultError: It refused; the text says why.
            ArmConnectionError: The connection broke.
        """
        ...

    def abandon(self) -> None:
        """Break the connections with the robot and its hand, so that nothing waits for them."""
        ...
