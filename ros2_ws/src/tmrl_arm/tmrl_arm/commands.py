"""Whether a setpoint is one that an arm could carry out; the arm itself need not be asked."""

import numpy as np

from tmrl_arm.driver import ArmCapabilities, ArmReading
from tmrl_arm.driver import CommandRefusedError as Refused
from tmrl_common.arm import ArmCommand, CommandMode

_UNIT_TOLERANCE = 1e-2
LONGEST_VALID_S = 2.0
"""No sender can ask an arm to move on for longer without a word from it. The slowest rig, at 1 Hz
and with the longest grace, asks for 1.5 s."""


def check_command(
    command: ArmCommand, robot: str, can: ArmCapabilities, now: ArmReading | None = None
) -> None:
    """Refuses what the arm could not do. Whether a pose can be reached is the driver's to say.

    Args:
        command: The setpoint.
        robot: Name of the arm that is asked.
        can: What it can do.
        now: Its newest state, against which joint velocities are judged; None leaves this out.

    Raises:
        CommandRefusedError: Wrong arm, a mode that it does not have, or a value out of range.
    """
    if command.robot != robot:
        raise Refused(f"it is for {command.robot!r}, this is {robot!r}: check the namespaces")
    if command.mode == CommandMode.HOLD:
        return
    if command.mode not in can.modes:
        known = command.mode in list(CommandMode)
        name = CommandMode(command.mode).name if known else str(command.mode)
        modes = " or ".join(mode.name for mode in sorted(can.modes, reverse=True))
        raise Refused(f"the {can.model} does not take mode {name}; send {modes}")
    if not 0.0 < command.valid_for_s <= LONGEST_VALID_S:
        raise Refused(
            f"valid_for_s is {command.valid_for_s}; it must be above 0 and at most "
            f"{LONGEST_VALID_S:g} s: send setpoints in time, do not extend them"
        )
    if not 0.0 <= command.gripper_opening <= 1.0:
        raise Refused(
            f"the gripper's opening is {command.gripper_opening}; it must lie between "
            "0 (closed) and 1 (open): clip it"
        )
    if command.mode == CommandMode.CARTESIAN_POSE:
        _check_pose(command)
    else:
        _check_joint_velocity(command, can, now)


def _check_pose(command: ArmCommand) -> None:
    if not 0.0 < command.duration_s < float("inf"):
        raise Refused(f"duration_s is {command.duration_s}; it must be a finite number above 0")
    pose = (*command.position_m, *command.quaternion_xyzw)
    if len(pose) != 7 or not np.isfinite(pose).all():
        raise Refused(f"the target's pose {pose} is not 7 finite numbers")
    length = float(np.linalg.norm(command.quaternion_xyzw))
    if abs(length - 1.0) > _UNIT_TOLERANCE:
        raise Refused(f"the target's quaternion has length {length:.3g}; normalise it to 1")


def _check_joint_velocity(
    command: ArmCommand, can: ArmCapabilities, now: ArmReading | None
) -> None:
    speed = command.joint_velocity_rad_s
    joints = len(can.joint_names)
    if speed.shape != (joints,) or not np.isfinite(speed).all():
        raise Refused(
            f"joint_velocity {speed.tolist()} must be {joints} finite numbers, in the order "
            f"{', '.join(can.joint_names)}"
        )
    for name, value, limit in zip(
        can.joint_names, speed.tolist(), can.joint_max_velocity_rad_s.tolist(), strict=True
    ):
        if abs(value) > limit:
            raise Refused(f"{name} is to turn at {value:.3f} rad/s; its limit is {limit:.3f}")
    if now is None:
        return
    reached_rad = now.joint_position_rad + speed * command.valid_for_s
    too_far = (reached_rad > can.joint_high_rad) & (speed > 0.0)
    too_far |= (reached_rad < can.joint_low_rad) & (speed < 0.0)
    for joint in np.flatnonzero(too_far).tolist():
        raise Refused(
            f"{can.joint_names[joint]} would turn to {reached_rad[joint]:.3f} rad within "
            f"{command.valid_for_s:g} s; its limits are {can.joint_low_rad[joint]:.3f} and "
            f"{can.joint_high_rad[joint]:.3f} rad: turn it the other way"
        )
