"""Setpoints, how they move, and what the limiter lets through."""

from dataclasses import InitVar, dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import LocalError

Vector = NDArray[np.float64]

TOLERANCE = 1e-6
"""Relative excess that is not worth a clamp: actions arrive as float32."""

NO_JOINTS: Vector = np.zeros(0)
"""The joints of an arm that is commanded by the pose of its tool."""


class InputRefusedError(LocalError, ValueError):
    """A target or a measurement is not the finite numbers that it must be; the arm must stop."""


class Limit(StrEnum):
    """Which limit changed a setpoint."""

    LEAD = "lead"
    WORKSPACE = "workspace"
    TRANSLATION = "translation"
    ROTATION = "rotation"
    SEAM_TRANSLATION = "seam_translation"
    SEAM_ROTATION = "seam_rotation"
    JOINT_POSITION = "joint_position"
    JOINT_VELOCITY = "joint_velocity"
    JOINT_ACCELERATION = "joint_acceleration"
    GRIPPER_RANGE = "gripper_range"
    GRIPPER_RATE = "gripper_rate"


@dataclass(frozen=True)
class ToolLimits:
    """What holds for every arm, however it is commanded.

    Attributes:
        period_s: Control period to which the per-period limits refer, s.
        workspace_box: x_min x_max y_min y_max z_min z_max of the tool in the base frame, m.
        max_translation_m: Of the tool per control period, m.
        max_rotation_rad: Of the tool per control period, rad.
        max_gripper_step: Change of the opening per control period, 0 to 1.
    """

    period_s: float
    workspace_box: tuple[float, ...]
    max_translation_m: float
    max_rotation_rad: float
    max_gripper_step: float

    def __post_init__(self) -> None:
        """Refuses a box that no tool fits into.

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

    def check_time(self, dt_s: float) -> None:
        """Refuses a time that the per-period limits do not cover.

        Args:
            dt_s: Time that a movement takes, s.

        Raises:
            ValueError: It is not above 0, or longer than the control period.
        """
        if not 0.0 < dt_s <= self.period_s * (1.0 + TOLERANCE):
            raise ValueError(f"dt_s is {dt_s}; it must lie in (0, {self.period_s}]")


@dataclass(frozen=True)
class Setpoint:
    """Where the tool and the gripper, and for some arms the joints, are to be.

    Attributes:
        position_m: Tool frame in the base frame, shape (3,), m.
        quaternion: Tool frame in the base frame, shape (4,), in the order x, y, z, w.
        gripper: Opening, 0 closed to 1 open.
        joint_position_rad: Shape (n,), rad; empty where the joints are not commanded.
    """

    position_m: Vector
    quaternion: Vector
    gripper: float
    joint_position_rad: Vector = field(default_factory=lambda: NO_JOINTS)


@dataclass(frozen=True)
class Motion:
    """A setpoint together with the velocity at which it was commanded.

    Attributes:
        setpoint: The target.
        linear_m_s: Velocity of the target in the base frame, shape (3,), m/s.
        angular_rad_s: Angular velocity of the target in the base frame, shape (3,), rad/s.
        joint_velocity_rad_s: Shape (n,), rad/s; empty where the joints are not commanded.
    """

    setpoint: Setpoint
    linear_m_s: Vector
    angular_rad_s: Vector
    joint_velocity_rad_s: Vector = field(default_factory=lambda: NO_JOINTS)

    @classmethod
    def at_rest(cls, setpoint: Setpoint) -> "Motion":
        """The motion of a target that stands still."""
        still = np.zeros(len(setpoint.joint_position_rad))
        return cls(setpoint, np.zeros(3), np.zeros(3), still)


SEAL = object()
"""Held by the modules of this package alone: without it nothing is `Limited`."""


@dataclass(frozen=True)
class Limited:
    """What the limiter let through: the one thing from which a movement can be commanded.

    Attributes:
        motion: The new target and its velocity.
        acted: The limits that changed what was wanted.
        seal: Proof that a limiter of this package made it.
    """

    motion: Motion
    acted: frozenset[Limit]
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        """Refuses to be made by anybody but the limiter.

        Raises:
            TypeError: The maker does not hold the seal.
        """
        if seal is not SEAL:
            raise TypeError(
                "only tmrl_controller.limiter makes Limited: hand the wanted movement to "
                "limit_move or limit_joints"
            )


def check_numbers(name: str, values: Vector | float, length: int) -> None:
    """Refuses what could not be commanded or measured.

    Args:
        name: For the sentence.
        values: A number, or an array of shape (length,).
        length: How many there must be.

    Raises:
        InputRefusedError: Their number is another one, or one is not finite.
    """
    if np.size(values) != length or not np.isfinite(values).all():
        raise InputRefusedError(
            f"{name} is {values}; it must be {length} finite number{'s' if length > 1 else ''}: "
            "hold, find the source, resume"
        )


def shorten(vector: Vector, longest: float, limit: Limit, acted: set[Limit]) -> Vector:
    """The vector, scaled down to the given length where it is longer."""
    length = float(np.linalg.norm(vector))
    if length <= longest * (1.0 + TOLERANCE):
        return vector
    acted.add(limit)
    return vector * (longest / length)


def limit_gripper(start: float, wanted: float, longest: float, acted: set[Limit]) -> float:
    """The opening nearest to the wanted one that range and rate allow.

    Args:
        start: Opening last commanded, 0 to 1.
        wanted: Opening that is wanted.
        longest: Largest change.
        acted: Takes the limits that acted.
    """
    ranged = float(np.clip(wanted, 0.0, 1.0))
    if abs(ranged - wanted) > TOLERANCE:
        acted.add(Limit.GRIPPER_RANGE)
    reached = float(np.clip(ranged, start - longest, start + longest))
    if abs(reached - ranged) > TOLERANCE:
        acted.add(Limit.GRIPPER_RATE)
    return reached
