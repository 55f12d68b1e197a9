"""What the rows of a chunk mean: one class per action space, all behind one interface."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import RefusalCode
from tmrl_common.geometry import Vector
from tmrl_controller.config import BRIDGE_DELTA_EE, ControllerConfig
from tmrl_controller.inputs import TeleopCommand
from tmrl_controller.limiter import (
    Limited,
    Motion,
    Move,
    Setpoint,
    beyond_lead,
    check_numbers,
    limit_joints,
    limit_move,
    rotation_between,
)
from tmrl_controller.refusals import Refusal

GRIPPER_MARGIN = 0.5
"""A gripper opening further outside [0, 1] than this is no opening but a wrong unit."""
JOINT_STEP_RAD = 0.2
"""DROID's unit of joint velocity: so much per control period, which is 3 rad/s at its 15 Hz."""

Rows = NDArray[np.float64]


class ActionSpace(Protocol):
    """Turns what policy and person want into what the limiter allows."""

    @property
    def coasts(self) -> bool:
        """Whether the arm keeps moving when a command's time is over, until it expires."""
        ...

    def limit_action(self, row: Vector, previous: Motion, measured: Setpoint) -> Limited:
        """One row of a chunk, for one control period.

        Args:
            row: Shape (action_dim,).
            previous: Last commanded motion.
            measured: Where the arm is.

        Raises:
            InputRefusedError: What is not finite cannot be commanded.
        """
        ...

    def limit_teleop(
        self, command: TeleopCommand, dt_s: float, previous: Motion, measured: Setpoint
    ) -> Limited:
        """What a person's device asks for.

        Args:
            command: The reading.
            dt_s: For how long, at most the control period, s.
            previous: Last commanded motion.
            measured: Where the arm is.

        Raises:
            InputRefusedError: What is not finite cannot be commanded.
        """
        ...

    def parted(self, target: Setpoint, measured: Setpoint) -> str:
        """Why an arm at rest cannot resume from its target; empty where it can.

        Args:
            target: Last commanded target.
            measured: Where the arm is.
        """
        ...

    def jump(self, row: Vector, previous: Motion) -> float:
        """How far the velocity of a row differs from that of the motion before it.

        Args:
            row: Shape (action_dim,), finite.
            previous: Last commanded motion.

        Returns:
            In multiples of what the limits allow it to change in one control period.
        """
        ...

    def executed(self, start: Setpoint, reached: Setpoint) -> tuple[float, ...]:
        """The row that would have commanded what was commanded within one control period."""
        ...

    def refused(self, steps: Rows) -> Refusal | None:
        """Why the steps of a chunk are none of this rig; None where they may be limited and run.

        Args:
            steps: Shape (steps, action_dim), finite.
        """
        ...


def action_space_of(config: ControllerConfig) -> ActionSpace:
    """The action space that a rig's configuration names."""
    if config.action_space == BRIDGE_DELTA_EE:
        return BridgeDeltaEndEffector(config)
    return DroidJointVelocity(config)


class BridgeDeltaEndEffector:
    """BridgeData: dx dy dz [m], drx dry drz [rad] in the base frame, gripper opening 0 to 1."""

    coasts = False

    def __init__(self, config: ControllerConfig) -> None:
        """Takes the limits of a rig."""
        self._config = config
        self._limits = config.motion_limits

    def limit_action(self, row: Vector, previous: Motion, measured: Setpoint) -> Limited:
        """See `ActionSpace`."""
        move = Move(row[:3], row[3:6], float(row[6]))
        return limit_move(self._limits, previous, move, measured, self._config.control_period_s)

    def limit_teleop(
        self, command: TeleopCommand, dt_s: float, previous: Motion, measured: Setpoint
    ) -> Limited:
        """See `ActionSpace`."""
        move = Move(command.linear_m_s * dt_s, command.angular_rad_s * dt_s, command.gripper)
        return limit_move(self._limits, previous, move, measured, dt_s)

    def parted(self, target: Setpoint, measured: Setpoint) -> str:
        """See `ActionSpace`."""
        return beyond_lead(self._limits, target, measured)

    def jump(self, row: Vector, previous: Motion) -> float:
        """See `ActionSpace`."""
        limits, period_s = self._limits, self._config.control_period_s
        change_m = np.linalg.norm(row[:3] - period_s * previous.linear_m_s)
        change_rad = np.linalg.norm(row[3:6] - period_s * previous.angular_rad_s)
        of_translation = change_m / limits.max_translation_change_m
        return float(max(of_translation, change_rad / limits.max_rotation_change_rad))

    def executed(self, start: Setpoint, reached: Setpoint) -> tuple[float, ...]:
        """See `ActionSpace`."""
        translation_m = reached.position_m - start.position_m
        rotation_rad = rotation_between(start.quaternion, reached.quaternion)
        return (*translation_m.tolist(), *rotation_rad.tolist(), reached.gripper)

    def refused(self, steps: Rows) -> Refusal | None:
        """See `ActionSpace`."""
        config = self._config
        longest_m = float(np.linalg.norm(steps[:, :3], axis=1).max())
        if longest_m > config.refuse_translation_m:
            return Refusal(
                RefusalCode.STEP_TOO_LONG,
                f"a step moves the tool by {longest_m:.4g} m, more than "
                f"{config.refuse_translation_m:g} m is no step of this rig: check the policy's "
                "statistics and units",
            )
        largest_rad = float(np.linalg.norm(steps[:, 3:6], axis=1).max())
        if largest_rad > config.refuse_rotation_rad:
            return Refusal(
                RefusalCode.ROTATION_TOO_LARGE,
                f"a step turns the tool by {largest_rad:.4g} rad, more than "
                f"{config.refuse_rotation_rad:g} rad is no step of this rig: check the policy's "
                "statistics and units",
            )
        return _refused_gripper(steps[:, 6])


class DroidJointVelocity:
    """DROID: seven joint velocities in units of `JOINT_STEP_RAD` per period, gripper closing 0-1.

    A person's tool velocity becomes joint velocities through the damped pseudo-inverse of the
    Jacobian and then passes the same limiter as the policy's.
    """

    coasts = True

    def __init__(self, config: ControllerConfig) -> None:
        """Takes the limits of a rig."""
        self._config = config
        self._limits = config.joint_limits
        self._unit_rad_s = JOINT_STEP_RAD / config.control_period_s

    def limit_action(self, row: Vector, previous: Motion, measured: Setpoint) -> Limited:
        """See `ActionSpace`."""
        wanted_rad_s, gripper = row[:7] * self._unit_rad_s, 1.0 - float(row[7])
        dt_s = self._config.control_period_s
        return limit_joints(self._limits, previous, wanted_rad_s, gripper, measured, dt_s)

    def limit_teleop(
        self, command: TeleopCommand, dt_s: float, previous: Motion, measured: Setpoint
    ) -> Limited:
        """See `ActionSpace`."""
        check_numbers("the wanted linear velocity", command.linear_m_s, 3)
        check_numbers("the wanted angular velocity", command.angular_rad_s, 3)
        twist = np.concatenate([command.linear_m_s, command.angular_rad_s])
        chain = self._limits.kinematics.chain(measured.joint_position_rad)
        jacobian = chain.jacobian(measured.position_m)
        square = jacobian @ jacobian.T + _DAMPING
        wanted_rad_s = jacobian.T @ np.linalg.solve(square, twist)
        return limit_joints(self._limits, previous, wanted_rad_s, command.gripper, measured, dt_s)

    def parted(self, target: Setpoint, measured: Setpoint) -> str:
        """See `ActionSpace`: velocities start wherever the arm is."""
        return ""

    def jump(self, row: Vector, previous: Motion) -> float:
        """See `ActionSpace`."""
        allowed_rad_s = (
            np.array(self._limits.max_acceleration_rad_s2) / self._config.control_rate_hz
        )
        change_rad_s = np.abs(row[:7] * self._unit_rad_s - previous.joint_velocity_rad_s)
        return float((change_rad_s / allowed_rad_s).max())

    def executed(self, start: Setpoint, reached: Setpoint) -> tuple[float, ...]:
        """See `ActionSpace`."""
        way_rad = reached.joint_position_rad - start.joint_position_rad
        return (*(way_rad / JOINT_STEP_RAD).tolist(), 1.0 - reached.gripper)

    def refused(self, steps: Rows) -> Refusal | None:
        """See `ActionSpace`."""
        largest_rad_s = float(np.abs(steps[:, :7]).max()) * self._unit_rad_s
        limit_rad_s = self._config.refuse_joint_velocity_rad_s
        if largest_rad_s > limit_rad_s:
            return Refusal(
                RefusalCode.JOINT_TOO_FAST,
                f"a step turns a joint at {largest_rad_s:.4g} rad/s, more than {limit_rad_s:g} "
                "rad/s is no step of this rig: check the policy's statistics and units",
            )
        return _refused_gripper(steps[:, 7])


_DAMPING = 1e-4 * np.eye(6)
"""Keeps joint velocities finite near a singular posture."""


def _refused_gripper(openings: Vector) -> Refusal | None:
    furthest = float(np.abs(openings - 0.5).max()) - 0.5
    if furthest <= GRIPPER_MARGIN:
        return None
    return Refusal(
        RefusalCode.GRIPPER_OUT_OF_RANGE,
        f"a gripper opening lies {furthest:.4g} outside 0 to 1, allowed are "
        f"{GRIPPER_MARGIN:g}: check the policy's statistics and units",
    )
