"""One setpoint for the simulated arm, and why it may be refused."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_UNIT_TOLERANCE = 1e-2


class CommandMode(IntEnum):
    """What a command asks for; the numbers are those of tmrl_msgs/ArmCommand."""

    HOLD = 0
    CARTESIAN_POSE = 1
    JOINT_VELOCITY = 2


class CommandRefusedError(ValueError):
    """The arm cannot do what a command asks for; the text names value, limit and remedy."""


@dataclass(frozen=True)
class Command:
    """One setpoint as it arrived, unchecked (tmrl_msgs/ArmCommand).

    Attributes:
        robot: Name of the arm that it is meant for.
        sequence: Its number, for messages about it.
        mode: A number of `CommandMode`, or another one.
        position_m: Target of the tool in the base frame, shape (3,), float64, m.
        quaternion_wxyz: Target rotation in the base frame, shape (4,), float64, scalar first.
        gripper_opening: 0 closed to 1 open.
        duration_s: Time to reach the target, s.
        valid_for_s: Without a newer command the arm holds after this, s of simulated time.
    """

    robot: str
    sequence: int
    mode: int
    position_m: Array
    quaternion_wxyz: Array
    gripper_opening: float
    duration_s: float
    valid_for_s: float

    def check(self, robot: str) -> None:
        """Refuse what no arm could do; whether the target can be reached is the cell's to say.

        Args:
            robot: Name of the arm that is asked.

        Raises:
            CommandRefusedError: Wrong arm, unknown mode, or a value out of range.
        """
        if self.robot != robot:
            raise CommandRefusedError(
                f"it is for {self.robot!r}, this is {robot!r}: check the namespaces"
            )
        if self.mode == CommandMode.HOLD:
            return
        if self.mode != CommandMode.CARTESIAN_POSE:
            known = self.mode in list(CommandMode)
            name = CommandMode(self.mode).name if known else str(self.mode)
            raise CommandRefusedError(
                f"the simulated arm does not take mode {name}; send CARTESIAN_POSE or HOLD"
            )
        for name, value_s in (("duration_s", self.duration_s), ("valid_for_s", self.valid_for_s)):
            if not 0.0 < value_s < float("inf"):
                raise CommandRefusedError(
                    f"{name} is {value_s}; it has to be a finite number above 0"
                )
        length = float(np.linalg.norm(self.quaternion_wxyz))
        if not abs(length - 1.0) <= _UNIT_TOLERANCE:
            raise CommandRefusedError(
                f"the target's quaternion has length {length:.3g}; normalise it to 1"
            )
