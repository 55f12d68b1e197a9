"""The limiter of Cartesian setpoints: policy and teleop pass it, nothing goes around it.

Order of the limits, and why: the lead over the measured tool and the box say where the target may
be; the speed says how far it may go now; the seam says how much that may differ from the step
before; the box comes once more, because the seam keeps some of the old motion and may carry the
target out of the box again. So box and speed hold always, the seam holds except against a wall of
the box, and the lead is approached at the allowed speed.
"""

from dataclasses import dataclass

import numpy as np

from tmrl_common.geometry import (
    invert_quaternion,
    move_pose,
    multiply_quaternions,
    rotation_vector_from_quaternion,
)
from tmrl_controller.limiter.motion import (
    SEAL,
    TOLERANCE,
    Limit,
    Limited,
    Motion,
    Setpoint,
    ToolLimits,
    Vector,
    check_numbers,
    limit_gripper,
    shorten,
)


@dataclass(frozen=True)
class MotionLimits(ToolLimits):
    """What the limiter enforces.

    Attributes:
        max_translation_change_m: Between the translations of consecutive control periods, m.
        max_rotation_change_rad: Between the rotations of consecutive control periods, rad.
        max_lead_m: Of the target over the measured tool, m.
        max_lead_rad: Of the target over the measured tool, rad.
    """

    max_translation_change_m: float
    max_rotation_change_rad: float
    max_lead_m: float
    max_lead_rad: float


@dataclass(frozen=True)
class Move:
    """A wanted change of the target.

    Attributes:
        translation_m: In the base frame, shape (3,), m.
        rotation_rad: Rotation vector in the base frame, shape (3,), rad.
        gripper: Wanted opening (absolute), 0 closed to 1 open.
    """

    translation_m: Vector
    rotation_rad: Vector
    gripper: float


def limit_move(
    limits: MotionLimits, previous: Motion, move: Move, measured: Setpoint, dt_s: float
) -> Limited:
    """Brings a wanted move within the limits.

    Args:
        limits: The limits.
        previous: Last commanded target, within the box, and its velocity.
        move: Wanted change of that target.
        measured: Where the tool is.
        dt_s: Time that the move takes, above 0 and at most the control period, s.

    Returns:
        The allowed move; translations are shortened, never bent, except along a wall of the box.

    Raises:
        InputRefusedError: An input is not finite, or has the wrong length.
        ValueError: dt_s is out of its range.
    """
    limits.check_time(dt_s)
    _check(previous, move, measured)
    acted: set[Limit] = set()
    translation, position = _translate(limits, previous, move, measured, dt_s, acted)
    rotation, quaternion = _rotate(limits, previous, move, measured, dt_s, acted)
    longest = limits.max_gripper_step * dt_s / limits.period_s
    gripper = limit_gripper(previous.setpoint.gripper, move.gripper, longest, acted)
    setpoint = Setpoint(position, quaternion, gripper)
    motion = Motion(setpoint, translation / dt_s, rotation / dt_s)
    return Limited(motion, frozenset(acted), SEAL)


def beyond_lead(limits: MotionLimits, target: Setpoint, measured: Setpoint) -> str:
    """How an arm at rest has left its target; empty where it is as near as it must be.

    `limit_move` brings a target back that has run too far ahead, but from the target, not from the
    tool: a move that starts further away than the lead would be as fast as the way is long.

    Args:
        limits: The limits.
        target: Last commanded target.
        measured: Where the tool is.
    """
    apart_m = float(np.linalg.norm(measured.position_m - target.position_m))
    apart_rad = float(np.linalg.norm(rotation_between(target.quaternion, measured.quaternion)))
    nearest = 1.0 + TOLERANCE
    if apart_m <= limits.max_lead_m * nearest and apart_rad <= limits.max_lead_rad * nearest:
        return ""
    return (
        f"the tool is {apart_m:.3f} m and {apart_rad:.3f} rad away from where it was commanded "
        f"last, allowed are {limits.max_lead_m:g} m and {limits.max_lead_rad:g} rad: something "
        "else moved the arm, such as arm/home or a hand; look at the cell, then controller/resume"
    )


def _check(previous: Motion, move: Move, measured: Setpoint) -> None:
    check_numbers("the wanted translation", move.translation_m, 3)
    check_numbers("the wanted rotation", move.rotation_rad, 3)
    check_numbers("the wanted gripper opening", move.gripper, 1)
    check_numbers("the measured position", measured.position_m, 3)
    check_numbers("the measured orientation", measured.quaternion, 4)
    check_numbers("the last target position", previous.setpoint.position_m, 3)
    check_numbers("the last target orientation", previous.setpoint.quaternion, 4)


def _boxed(limits: MotionLimits, position_m: Vector, acted: set[Limit]) -> Vector:
    inside = np.clip(position_m, limits.low_m, limits.high_m)
    if np.abs(inside - position_m).max() > TOLERANCE * limits.max_translation_m:
        acted.add(Limit.WORKSPACE)
    return inside


def _translate(
    limits: MotionLimits,
    previous: Motion,
    move: Move,
    measured: Setpoint,
    dt_s: float,
    acted: set[Limit],
) -> tuple[Vector, Vector]:
    start_m, here_m = previous.setpoint.position_m, measured.position_m
    share = dt_s / limits.period_s
    lead = start_m + move.translation_m - here_m
    wanted_m = here_m + shorten(lead, limits.max_lead_m, Limit.LEAD, acted)
    wanted_m = _boxed(limits, wanted_m, acted)
    step_m = shorten(wanted_m - start_m, limits.max_translation_m * share, Limit.TRANSLATION, acted)
    # The limit on the change between full periods is an acceleration, hence the share squared.
    kept_m = previous.linear_m_s * dt_s
    longest_change_m = limits.max_translation_change_m * share * share
    change_m = shorten(step_m - kept_m, longest_change_m, Limit.SEAM_TRANSLATION, acted)
    position_m = _boxed(limits, start_m + kept_m + change_m, acted)
    return position_m - start_m, position_m


def _rotate(
    limits: MotionLimits,
    previous: Motion,
    move: Move,
    measured: Setpoint,
    dt_s: float,
    acted: set[Limit],
) -> tuple[Vector, Vector]:
    start, here = previous.setpoint.quaternion, measured.quaternion
    share = dt_s / limits.period_s
    rotation_rad = move.rotation_rad
    lead_rad = rotation_between(here, _turned(start, rotation_rad))
    leashed_rad = shorten(lead_rad, limits.max_lead_rad, Limit.LEAD, acted)
    if leashed_rad is not lead_rad:
        rotation_rad = rotation_between(start, _turned(here, leashed_rad))
    step_rad = shorten(rotation_rad, limits.max_rotation_rad * share, Limit.ROTATION, acted)
    kept_rad = previous.angular_rad_s * dt_s
    longest_change_rad = limits.max_rotation_change_rad * share * share
    change_rad = shorten(step_rad - kept_rad, longest_change_rad, Limit.SEAM_ROTATION, acted)
    step_rad = kept_rad + change_rad
    return step_rad, _turned(start, step_rad)


def rotation_between(q_base_from: Vector, q_base_to: Vector) -> Vector:
    """Rotation vector in the base frame that turns one orientation into another, (3,), rad."""
    return rotation_vector_from_quaternion(
        multiply_quaternions(q_base_to, invert_quaternion(q_base_from))
    )


def _turned(q_base_tool: Vector, rotation_rad: Vector) -> Vector:
    return move_pose(np.zeros(3), q_base_tool, np.zeros(3), rotation_rad)[1]
