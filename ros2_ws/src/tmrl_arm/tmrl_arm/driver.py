"""The one interface between this software and an arm: what every driver does, in plain types.

A driver knows its vendor and nothing of ROS. It is hosted by one thread (tmrl_arm.host), which
calls it in a loop: read, now and then command or stop. Quaternions are x y z w, as in ROS messages.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmrl_common.arm import ArmCapabilities as ArmCapabilities
from tmrl_common.arm import ArmCommand
from tmrl_common.errors import LocalError, TmrlError

Array = NDArray[np.float64]

LONGEST_SILENCE_S = 1.0
"""A driver reports a lost arm at the latest after so long without a measurement, s. Its settings
must not allow more: the host counts a driver that is silent for longer as hung."""


class ArmError(TmrlError):
    """The arm or its vendor's software failed; the text names value, expectation and remedy."""


class ArmConnectionError(ArmError):
    """There is no connection to the arm, or it broke; connecting again may help."""


class ArmFaultError(ArmError):
    """The arm is connected but does not move before a person has done something."""


class CommandRefusedError(LocalError, ValueError):
    """The arm cannot do what a command asks for; the text names value, limit and remedy."""


@dataclass(frozen=True)
class Fault:
    """Why the arm does not move.

    Attributes:
        sentence: What happened and what helps.
        may_recover_alone: Whether `recover` is harmless without a person beside the arm: it neither
            moves anything nor lets anything sink. False: it must be asked for (arm/recover).
    """

    sentence: str
    may_recover_alone: bool


@dataclass(frozen=True)
class ArmReading:
    """State of the arm at one instant.

    Attributes:
        measured_s: When it was measured, by the clock that the driver was given, s.
        joint_position_rad: Shape (n,), rad.
        joint_velocity_rad_s: Shape (n,), rad/s.
        joint_effort_nm: Shape (n,), N m; shape (0,) where the arm does not measure it.
        tool_position_m: Origin of the tool frame in the base frame, shape (3,), m.
        tool_quaternion_xyzw: Rotation of the tool frame in the base frame, shape (4,).
        gripper_opening: Measured, 0 closed to 1 open.
        gripper_commanded: Opening asked for by the last command that was accepted, 0 to 1; the
            measured one before the first.
        homing: Whether `home` is still in progress.
        holding: Whether the arm stands still and nothing moves it: no movement is valid, it is not
            on its way home, and the driver's own braking is over.
        fault: None while healthy. While there is one, every movement is refused.
    """

    measured_s: float
    joint_position_rad: Array
    joint_velocity_rad_s: Array
    joint_effort_nm: Array
    tool_position_m: Array
    tool_quaternion_xyzw: Array
    gripper_opening: float
    gripper_commanded: float
    homing: bool
    holding: bool
    fault: Fault | None


class ArmDriver(Protocol):
    """One arm with its gripper. All calls come from one thread, in any order.

    `read`, `command`, `stop` and `home` return within milliseconds: what takes the vendor longer
    happens in the driver's own threads, newest request first. `connect` and `recover` may take
    seconds, but end. A new driver is not connected and has touched nothing.
    """

    @property
    def capabilities(self) -> ArmCapabilities:
        """What the arm can do; the same before and after `connect`."""
        ...

    def connect(self) -> None:
        """Reach the arm and prepare it, without moving it; again after `close` or a lost one.

        Raises:
            ArmConnectionError: It cannot be reached, is locked, or speaks another version; the
                driver is as it was before the call.
        """
        ...

    def read(self) -> ArmReading:
        """The newest state.

        Raises:
            ArmConnectionError: The connection broke; only `connect` and `close` make sense now.
        """
        ...

    def command(self, command: ArmCommand) -> None:
        """Moves towards a setpoint, without a stop between it and the one before.

        The command passed `commands.check_command`. The arm stops by itself `valid_for_s` after
        this call, whether or not any other method is called until then; the gripper moves on to its
        opening. A movement ends `home`. HOLD is `stop`.

        Raises:
            CommandRefusedError: The target cannot be reached or a fault is there; the arm holds.
            ArmConnectionError: The connection broke.
        """
        ...

    def stop(self) -> None:
        """Decelerate as fast as the arm does without harm, then hold; ends `home` as well.

        Raises:
            ArmConnectionError: The connection broke.
        """
        ...

    def home(self) -> None:
        """Sets off to the rest pose, slowly, gripper as it is; `ArmReading.homing` says until when.

        Raises:
            CommandRefusedError: A fault is there, or there is no safe way; the arm holds.
            ArmConnectionError: The connection broke.
        """
        ...

    def recover(self) -> None:
        """Clear the fault where the arm allows it; afterwards it holds and waits for commands.

        Nothing moves. After it returned, `read` tells of no fault that it cleared.

        Raises:
            ArmFaultError: It stays; the text says what a person must do.
            ArmConnectionError: The connection broke.
        """
        ...

    def close(self) -> None:
        """Stops, holds, and lets go of the arm and of all threads; harmless when not connected."""
        ...
