"""What the driver needs from the vendor's driver of the motors, in plain types.

The vendor's services answer nothing about success: whoever needs to know reads back. A group read
that fails at one motor answers with the values of the motors before it.
"""

from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Register(StrEnum):
    """Registers of the motors that the driver reads or writes."""

    FIRMWARE_VERSION = "Firmware_Version"
    HARDWARE_ERROR_STATUS = "Hardware_Error_Status"
    TORQUE_ENABLE = "Torque_Enable"
    PROFILE_VELOCITY = "Profile_Velocity"
    PROFILE_ACCELERATION = "Profile_Acceleration"
    GOAL_PWM = "Goal_PWM"


@dataclass(frozen=True)
class Motors:
    """Whom a request is for.

    Attributes:
        kind: "group" or "single".
        name: Of the group or of the motor.
    """

    kind: str
    name: str


ALL = Motors("group", "all")
"""The six joints, then the gripper; not the second motors of shoulder and elbow."""
ARM = Motors("group", "arm")


def single(name: str) -> Motors:
    """One motor."""
    return Motors("single", name)


@dataclass(frozen=True)
class MotorInfo:
    """What the vendor's driver says about a group or a motor.

    Attributes:
        joint_names: Its joints.
        mode: Operating mode, for example "position".
        profile_type: "time" or "velocity".
        low: Lower limits, rad (fingers: m), shape (n,); shape (0,) without a robot description.
        high: Upper limits, alike.
    """

    joint_names: tuple[str, ...]
    mode: str
    profile_type: str
    low: Array
    high: Array


@dataclass(frozen=True)
class JointSample:
    """One message of joint states, as it arrived.

    Attributes:
        received_s: When it arrived, by the clock that the bus was given, s.
        position_rad: Of the arm's joints, shape (6,), rad.
        velocity_rad_s: Shape (6,), rad/s; zeros where the vendor's driver tells none.
        finger_m: Distance of the left finger from the middle, m.
    """

    received_s: float
    position_rad: Array
    velocity_rad_s: Array
    finger_m: float


class Bus(Protocol):
    """Topics and services of the vendor's driver. Requests never block; a future may never end."""

    def open(self, timeout_s: float) -> None:
        """Finds the vendor's driver and its joint states.

        Raises:
            ArmConnectionError: Something is missing after `timeout_s`; names it and the remedy.
        """
        ...

    def newest(self) -> JointSample | None:
        """The last joint states; None before the first."""
        ...

    def publishers(self) -> tuple[str, ...]:
        """Names of the nodes that publish the joint states, as far as they are known."""
        ...

    def info(self, motors: Motors) -> Future[MotorInfo]:
        """Asks what the vendor's driver knows."""
        ...

    def get_registers(self, motors: Motors, register: Register) -> Future[tuple[int, ...]]:
        """Reads a register of each motor."""
        ...

    def set_registers(self, motors: Motors, register: Register, value: int) -> Future[None]:
        """Writes a register of each motor."""
        ...

    def set_mode(self, motors: Motors, mode: str) -> Future[None]:
        """Change the operating mode. The motors are without torque for a moment."""
        ...

    def set_torque(self, motors: Motors, *, on: bool) -> Future[None]:
        """Switch the torque on or off. Off lets the arm sink."""
        ...

    def reboot(self, motors: Motors) -> Future[None]:
        """Restart motors and switch their torque on. Meanwhile they are limp."""
        ...

    def write_arm(self, position_rad: Array) -> None:
        """Sends the six joints to positions, shape (6,), rad. Nobody checks limits after this."""
        ...

    def write_gripper(self, finger_m: float) -> None:
        """Sends each finger to a distance from the middle, m."""
        ...

    def close(self) -> None:
        """Lets go of the vendor's driver; harmless when not open."""
        ...
