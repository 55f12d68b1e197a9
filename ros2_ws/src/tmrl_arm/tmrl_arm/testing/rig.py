"""A driver under test with a hand on its surroundings: time, faults, the cable."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import ArmConnectionError, ArmDriver, ArmReading
from tmrl_common.arm import ArmCommand, CommandMode

Array = NDArray[np.float64]

ROBOT = "tested"
_POLL_S = 0.02


def _impossible() -> None:
    raise NotImplementedError("this rig cannot do that; say so in `DriverRig.lacks`")


@dataclass
class DriverRig:
    """One driver, not yet connected, and its surroundings.

    Attributes:
        driver: Under test.
        let_pass: Lets this many seconds pass: a sleep, or a step of a fake clock.
        toward_m: A translation of the tool from the pose after `connect` that the arm can reach.
        position_tolerance_m: How exactly the tool reaches a target.
        timeout_s: Longest wait for anything.
        lacks: What this rig has no hand on: "fault", "cable".
        cause_fault: Makes the arm report a fault that `recover` clears.
        cut: Breaks the connection.
        mend: Undoes `cut`.
    """

    driver: ArmDriver
    let_pass: Callable[[float], None]
    toward_m: tuple[float, float, float] = (0.03, 0.0, 0.0)
    position_tolerance_m: float = 0.003
    timeout_s: float = 30.0
    lacks: frozenset[str] = frozenset()
    cause_fault: Callable[[], None] = _impossible
    cut: Callable[[], None] = _impossible
    mend: Callable[[], None] = _impossible

    def until(self, condition: Callable[[ArmReading], bool], what: str) -> ArmReading:
        """Reads until a reading meets the condition.

        Raises:
            TimeoutError: It did not within `timeout_s`.
        """
        reading = self.driver.read()
        for _ in range(round(self.timeout_s / _POLL_S)):
            if condition(reading):
                return reading
            self.let_pass(_POLL_S)
            reading = self.driver.read()
        raise TimeoutError(f"waited {self.timeout_s} s for {what}; at the end: {reading}")

    def until_lost(self) -> str:
        """Reads until the driver notices that the connection is broken; what it says."""
        for _ in range(round(self.timeout_s / _POLL_S)):
            try:
                self.driver.read()
            except ArmConnectionError as error:
                return str(error)
            self.let_pass(_POLL_S)
        raise TimeoutError(f"after {self.timeout_s} s the broken connection had not been noticed")

    def until_at_rest(self) -> ArmReading:
        """Waits until neither joints nor tool move any more."""
        last = self.driver.read()
        for _ in range(round(self.timeout_s / 0.2)):
            self.let_pass(0.2)
            reading = self.driver.read()
            moved_m = np.abs(reading.tool_position_m - last.tool_position_m).max()
            turned_rad = np.abs(reading.joint_position_rad - last.joint_position_rad).max()
            if moved_m < 5e-4 and turned_rad < 2e-3:
                return reading
            last = reading
        raise TimeoutError(f"the arm still moves after {self.timeout_s} s; at the end: {last}")

    def pose(
        self,
        reading: ArmReading,
        offset_m: Array | tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        gripper: float | None = None,
        duration_s: float = 0.2,
        valid_for_s: float = 0.4,
    ) -> ArmCommand:
        """A command to a pose beside that of a reading, gripper as last commanded by default."""
        return ArmCommand(
            robot=ROBOT,
            sequence=1,
            arm_state_sequence=1,
            mode=CommandMode.CARTESIAN_POSE,
            position_m=reading.tool_position_m + np.asarray(offset_m),
            quaternion_xyzw=reading.tool_quaternion_xyzw.copy(),
            joint_velocity_rad_s=np.zeros(0),
            gripper_opening=reading.gripper_commanded if gripper is None else gripper,
            duration_s=duration_s,
            valid_for_s=valid_for_s,
        )

    def turning(
        self, joint: int, speed_rad_s: float, *, gripper: float = 1.0, valid_for_s: float = 0.4
    ) -> ArmCommand:
        """A command that turns one joint."""
        speeds = np.zeros(len(self.driver.capabilities.joint_names))
        speeds[joint] = speed_rad_s
        return ArmCommand(
            robot=ROBOT,
            sequence=1,
            arm_state_sequence=1,
            mode=CommandMode.JOINT_VELOCITY,
            position_m=np.zeros(3),
            quaternion_xyzw=np.array((0.0, 0.0, 0.0, 1.0)),
            joint_velocity_rad_s=speeds,
            gripper_opening=gripper,
            duration_s=valid_for_s,
            valid_for_s=valid_for_s,
        )

    def drive_to(self, target: ArmCommand) -> ArmReading:
        """Sends a pose, again whenever its validity has ended, until the tool is there."""
        reading = self.driver.read()
        for _ in range(round(self.timeout_s / target.valid_for_s)):
            self.driver.command(target)
            for _ in range(round(target.valid_for_s / _POLL_S)):
                self.let_pass(_POLL_S)
                reading = self.driver.read()
                off_m = np.linalg.norm(reading.tool_position_m - target.position_m)
                if off_m < self.position_tolerance_m:
                    return reading
        raise TimeoutError(f"the tool is not at {target.position_m} m: {reading}")
