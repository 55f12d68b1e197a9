"""The last limiter before the driver: policy and teleop setpoints pass it, nothing goes around it.

Order of the limits, and why: the lead over the measured tool and the box say where the target may
be; the speed says how far it may go now; the seam says how much that may differ from the step
before; the box comes once more, because the seam keeps some of the old motion and may carry the
target out of the box again. So box and speed hold always, the seam holds except against a wall of
the box, and the lead is approached at the allowed speed.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import LocalError
from tmrl_common.geometry import (
    invert_quaternion,
    move_pose,
    multiply_quaternions,
    rotation_vector_from_quaternion,
)

Vector = NDArray[np.float64]

_TOLERANCE = 1e-6
"""Relative excess that is not worth a clamp: actions arrive as float32."""


class NotFiniteError(LocalError, ValueError):
    """A target or a measurement is not a number; the arm has to stop."""


class Limit(StrEnum):
    """Which limit changed a setpoint."""

    LEAD = "lead"
    WORKSPACE = "workspace"
    TRANSLATION = "translation"
    ROTATION = "rotation"
    SEAM_TRANSLATION = "seam_translation"
    SEAM_ROTATION = "seam_rotation"
    GRIPPER_RANGE = "gripper_range"
    GRIPPER_RATE = "gripper_rate"


@dataclass(frozen=True)
class MotionLimits:
    """What the limiter enforces.

    Attributes:
        period_s: Control period to which the per-period limits refer, s.
        workspace_box: x_min x_max y_min y_max z_min z_max of the tool in the base frame, m.
        max_translation_m: Per control period, m.
        max_rotation_rad: Per control period, rad.
        max_gripper_step: Change of the opening per control period, 0 to 1.
        max_translation_change_m: Between the translations of consecutive control periods, m.
        max_rotation_change_rad: Between the rotations of consecutive control periods, rad.
        max_lead_m: Of the target over the measured tool, m.
        max_lead_rad: Of the target over the measured tool, rad.
    """

    period_s: float
    workspace_box: tuple[float, ...]
    max_translation_m: float
    max_rotation_rad: float
    max_gripper_step: float
    max_translation_change_m: float
    max_rotation_change_rad: float
    max_lead_m: float
    max_lead_rad: float

    def __post_init__(self) -> None:
        """Refuse a box that no tool fits into.

        Raises:
            ValueError: The box does not have 6 finite numbers, or a minimum is not below its
                maximum.
        """
        box = self.workspace_box
        if len(box) != 6 or not np.isfinite(box).all() or not (self.low_m < self.high_m).all():
            raise ValueError(
                f"workspace_box is {box}; it needs x_min x_max y_min y_max z_min z_max in m, "
                "each minimum below its maximum"
            )

    @cached_property
    def low_m(self) -> Vector:
        """Lower corner of the box, shape (3,), m."""
        return np.array(self.workspace_box[0::2], dtype=np.float64)

    @cached_property
    def high_m(self) -> Vector:
        """Upper corner of the box, shape (3,), m."""
        return np.array(self.workspace_box[1::2], dtype=np.float64)


@dataclass(frozen=True)
class Setpoint:
    """Where the tool and the gripper are to be.

    Attributes:
        position_m: Tool frame in the base frame, shape (3,), m.
        quaternion: Tool frame in the base frame, shape (4,), in the order x, y, z, w.
        gripper: Opening, 0 closed to 1 open.
    """

    position_m: Vector
    quaternion: Vector
    gripper: float


@dataclass(frozen=True)
class Motion:
    """A setpoint together with the velocity at which it was commanded.

    Attributes:
        setpoint: The target.
        linear_m_s: Velocity of the target in the base frame, shape (3,), m/s.
        angular_rad_s: Angular velocity of the target in the base frame, shape (3,), rad/s.
    """

    setpoint: Setpoint
    linear_m_s: Vector
    angular_rad_s: Vector

    @classmethod
    def at_rest(cls, setpoint: Setpoint) -> "Motion":
        """The motion of a target that stands still."""
        return cls(setpoint, np.zeros(3), np.zeros(3))


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


@dataclass(frozen=True)
class Limited:
    """What the limiter let through.

    Attributes:
        motion: The new target and its velocity.
        move: The change of the target that was let through.
        acted: The limits that changed the wanted move.
    """

    motion: Motion
    move: Move
    acted: frozenset[Limit]


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
        NotFiniteError: An input is not finite.
        ValueError: dt_s is out of its range.
    """
    if not 0.0 < dt_s <= limits.period_s * (1.0 + _TOLERANCE):
        raise ValueError(f"dt_s is {dt_s}; it has to lie in (0, {limits.period_s}]")
    _check_finite(previous, move, measured)
    acted: set[Limit] = set()
    translation, position = _translate(limits, previous, move, measured, dt_s, acted)
    rotation, quaternion = _rotate(limits, previous, move, measured, dt_s, acted)
    gripper = _grip(limits, previous.setpoint.gripper, move.gripper, dt_s, acted)
    return Limited(
        Motion(Setpoint(position, quaternion, gripper), translation / dt_s, rotation / dt_s),
        Move(translation, rotation, gripper),
        frozenset(acted),
    )


def _check_finite(previous: Motion, move: Move, measured: Setpoint) -> None:
    for name, values in (
        ("the wanted translation", move.translation_m),
        ("the wanted rotation", move.rotation_rad),
        ("the wanted gripper opening", move.gripper),
        ("the measured position", measured.position_m),
        ("the measured orientation", measured.quaternion),
        ("the last target position", previous.setpoint.position_m),
        ("the last target orientation", previous.setpoint.quaternion),
    ):
        if not np.isfinite(values).all():
            raise NotFiniteError(
                f"{name} is {values}; every number has to be finite: hold, find the source, resume"
            )


def _shorten(vector: Vector, longest: float, limit: Limit, acted: set[Limit]) -> Vector:
    """The vector, scaled down to the given length where it is longer."""
    length = float(np.linalg.norm(vector))
    if length <= longest * (1.0 + _TOLERANCE):
        return vector
    acted.add(limit)
    return vector * (longest / length)


def _boxed(limits: MotionLimits, position_m: Vector, acted: set[Limit]) -> Vector:
    inside = np.clip(position_m, limits.low_m, limits.high_m)
    if np.abs(inside - position_m).max() > _TOLERANCE * limits.max_translation_m:
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
    wanted_m = here_m + _shorten(lead, limits.max_lead_m, Limit.LEAD, acted)
    wanted_m = _boxed(limits, wanted_m, acted)
    step_m = _shorten(
        wanted_m - start_m, limits.max_translation_m * share, Limit.TRANSLATION, acted
    )
    # The limit on the change between full periods is an acceleration, hence the share squared.
    kept_m = previous.linear_m_s * dt_s
    longest_change_m = limits.max_translation_change_m * share * share
    change_m = _shorten(step_m - kept_m, longest_change_m, Limit.SEAM_TRANSLATION, acted)
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
    leashed_rad = _shorten(lead_rad, limits.max_lead_rad, Limit.LEAD, acted)
    if leashed_rad is not lead_rad:
        rotation_rad = rotation_between(start, _turned(here, leashed_rad))
    step_rad = _shorten(rotation_rad, limits.max_rotation_rad * share, Limit.ROTATION, acted)
    kept_rad = previous.angular_rad_s * dt_s
    longest_change_rad = limits.max_rotation_change_rad * share * share
    change_rad = _shorten(step_rad - kept_rad, longest_change_rad, Limit.SEAM_ROTATION, acted)
    step_rad = kept_rad + change_rad
    return step_rad, _turned(start, step_rad)


def rotation_between(q_base_from: Vector, q_base_to: Vector) -> Vector:
    """Rotation vector in the base frame that turns one orientation into another, (3,), rad."""
    return rotation_vector_from_quaternion(
        multiply_quaternions(q_base_to, invert_quaternion(q_base_from))
    )


def _turned(q_base_tool: Vector, rotation_rad: Vector) -> Vector:
    return move_pose(np.zeros(3), q_base_tool, np.zeros(3), rotation_rad)[1]


def _grip(
    limits: MotionLimits, start: float, wanted: float, dt_s: float, acted: set[Limit]
) -> float:
    ranged = float(np.clip(wanted, 0.0, 1.0))
    if abs(ranged - wanted) > _TOLERANCE:
        acted.add(Limit.GRIPPER_RANGE)
    longest = limits.max_gripper_step * dt_s / limits.period_s
    reached = float(np.clip(ranged, start - longest, start + longest))
    if abs(reached - ranged) > _TOLERANCE:
        acted.add(Limit.GRIPPER_RATE)
    return reached
