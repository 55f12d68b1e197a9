"""The limiter of joint velocities: policy and teleop pass it, nothing goes around it.

A joint velocity has no target: it continues until the next one comes, or until it expires. So every
limit of place is asked of the posture in which the arm would come to rest if this command were the
last one: obeyed for its whole life, on top of the age that the newest measurement may have, and
then braked at the allowed acceleration.

Order of the limits, and why: the wanted velocity is scaled to the speeds of the joints and of the
tool, which keeps its direction; then no joint changes its velocity faster than it may accelerate;
then each keeps the way that it needs to brake before its end; at last the tool must come to rest
in the box: it slides along a wall where it can, and brakes where it cannot. So joint velocities
and joint positions hold always; the acceleration holds except where a joint is measured nearer to
its end than it should be; the tool's speed is approached at the allowed acceleration. The box is
asked halfway to the rest and at the rest: the arc between them may leave it by millimetres.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tmrl_common.kinematics import Chain, Kinematics
from tmrl_controller.limiter.motion import (
    SEAL,
    TOLERANCE,
    InputRefusedError,
    Limit,
    Limited,
    Motion,
    Setpoint,
    ToolLimits,
    Vector,
    check_numbers,
    limit_gripper,
)

_LONGEST_TOOL_M = 0.5
"""A tool further from the flange than this is no tool: joints and pose are of different arms."""
_SLIDES = 3
_HALVINGS = 8


@dataclass(frozen=True)
class JointLimits(ToolLimits):
    """What the limiter enforces; the tuples have one number per joint.

    Attributes:
        kinematics: Of the arm, n joints.
        reaction_s: For how long a command may act beyond its own time: the age that the newest
            measurement may have, and the time after which a command expires, s.
        low_rad: Lower ends of the joints, rad.
        high_rad: Upper ends of the joints, rad.
        max_velocity_rad_s: Largest speeds of the joints, rad/s.
        max_acceleration_rad_s2: Largest changes of the velocities, with which the arm also must
            be able to brake, rad/s^2.
    """

    kinematics: Kinematics
    reaction_s: float
    low_rad: tuple[float, ...]
    high_rad: tuple[float, ...]
    max_velocity_rad_s: tuple[float, ...]
    max_acceleration_rad_s2: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuses limits that are not those of the arm.

        Raises:
            ValueError: There is not one finite number per joint, a lower end is not below its upper
                one, or a speed or an acceleration is not above 0.
        """
        super().__post_init__()
        for field in fields(JointLimits)[-4:]:
            values = getattr(self, field.name)
            if len(values) != self.joints or not np.isfinite(values).all():
                raise ValueError(
                    f"{field.name} is {values}; it needs {self.joints} finite numbers, one per "
                    "joint"
                )
        if not (self.low < self.high).all():
            raise ValueError(
                f"low_rad is {self.low_rad} and high_rad {self.high_rad}; each lower end must "
                "lie below its upper one"
            )
        for name in ("max_velocity_rad_s", "max_acceleration_rad_s2"):
            if min(getattr(self, name)) <= 0.0:
                raise ValueError(f"{name} is {getattr(self, name)}; each must be above 0")

    @property
    def joints(self) -> int:
        """How many joints the arm has, n."""
        return self.kinematics.joints

    @cached_property
    def low(self) -> Vector:
        """Lower ends, shape (n,), rad."""
        return np.array(self.low_rad)

    @cached_property
    def high(self) -> Vector:
        """Upper ends, shape (n,), rad."""
        return np.array(self.high_rad)

    @cached_property
    def velocity(self) -> Vector:
        """Largest speeds, shape (n,), rad/s."""
        return np.array(self.max_velocity_rad_s)

    @cached_property
    def acceleration(self) -> Vector:
        """Largest accelerations, shape (n,), rad/s^2."""
        return np.array(self.max_acceleration_rad_s2)


def limit_joints(
    limits: JointLimits,
    previous: Motion,
    wanted_rad_s: Vector,
    gripper: float,
    measured: Setpoint,
    dt_s: float,
) -> Limited:
    """Brings a wanted joint velocity within the limits.

    Args:
        limits: The limits.
        previous: Last commanded motion; of its setpoint the gripper counts, its joints are the sum
            of what was commanded since the last rest.
        wanted_rad_s: Shape (n,), rad/s.
        gripper: Wanted opening (absolute), 0 closed to 1 open.
        measured: Where joints and tool are.
        dt_s: Time until the next command, above 0 and at most the control period, s.

    Returns:
        The allowed motion.

    Raises:
        InputRefusedError: An input is not finite, has the wrong length, or the measured joints and
            the measured tool do not belong together.
        ValueError: dt_s is out of its range.
    """
    limits.check_time(dt_s)
    _check(limits.joints, previous, wanted_rad_s, gripper, measured)
    here = _Here(limits, measured, dt_s)
    last_rad_s = previous.joint_velocity_rad_s
    acted: set[Limit] = set()
    velocity = here.at_allowed_speed(wanted_rad_s, acted)
    velocity = here.within_reach(velocity, last_rad_s, acted)
    velocity = here.in_box(velocity, last_rad_s, acted)
    longest = limits.max_gripper_step * dt_s / limits.period_s
    opening = limit_gripper(previous.setpoint.gripper, gripper, longest, acted)
    joints = previous.setpoint.joint_position_rad + velocity * dt_s
    setpoint = Setpoint(measured.position_m, measured.quaternion, opening, joints)
    motion = Motion(setpoint, np.zeros(3), np.zeros(3), velocity)
    return Limited(motion, frozenset(acted), SEAL)


def _check(
    count: int, previous: Motion, wanted_rad_s: Vector, gripper: float, measured: Setpoint
) -> None:
    check_numbers("the wanted joint velocity", wanted_rad_s, count)
    check_numbers("the wanted gripper opening", gripper, 1)
    check_numbers("the measured joint position", measured.joint_position_rad, count)
    check_numbers("the measured position", measured.position_m, 3)
    check_numbers("the last joint velocity", previous.joint_velocity_rad_s, count)
    joints = previous.setpoint.joint_position_rad
    check_numbers("the last commanded joint position", joints, count)


class _Here:
    """The limits as they are at the measured posture, for a command of a given time."""

    def __init__(self, limits: JointLimits, measured: Setpoint, dt_s: float) -> None:
        self._limits = limits
        self._dt_s = dt_s
        self._life_s = dt_s + limits.reaction_s
        self._joints = measured.joint_position_rad
        self._chain: Chain = limits.kinematics.chain(self._joints)
        self._tool_m = measured.position_m
        self._mounted_m = self._chain.mounted_m(measured.position_m)
        length_m = float(np.linalg.norm(self._mounted_m))
        if length_m > _LONGEST_TOOL_M:
            raise InputRefusedError(
                f"the measured tool lies {length_m:.3f} m from the flange that the measured joints "
                f"make, allowed are {_LONGEST_TOOL_M:g} m: check that the controller's "
                "kinematics are the arm's"
            )

    def at_allowed_speed(self, wanted_rad_s: Vector, acted: set[Limit]) -> Vector:
        """The velocity, scaled to the speeds that joints and tool may have."""
        limits = self._limits
        excess = float(np.abs(wanted_rad_s / limits.velocity).max())
        velocity = _slower(wanted_rad_s, excess, Limit.JOINT_VELOCITY, acted)
        # Not of the wanted velocity itself: of huge numbers the product would be no number.
        twist = self._chain.jacobian(self._tool_m) @ velocity
        m_s = float(np.linalg.norm(twist[:3]))
        rad_s = float(np.linalg.norm(twist[3:]))
        excess_m = m_s * limits.period_s / limits.max_translation_m
        excess_rad = rad_s * limits.period_s / limits.max_rotation_rad
        translating = _slower(velocity, excess_m, Limit.TRANSLATION, acted)
        rotating = _slower(velocity, excess_rad, Limit.ROTATION, acted)
        return translating if excess_m > excess_rad else rotating

    def within_reach(self, velocity: Vector, last_rad_s: Vector, acted: set[Limit]) -> Vector:
        """The velocity, as near as acceleration and then the ends of the joints allow."""
        change, fastest = self._limits.acceleration * self._dt_s, self._limits.velocity
        slowest = np.maximum(last_rad_s - change, -fastest)
        fastest = np.minimum(last_rad_s + change, fastest)
        reached = _clipped(velocity, slowest, fastest, Limit.JOINT_ACCELERATION, acted)
        down, up = self._brakeable()
        return _clipped(reached, -down, up, Limit.JOINT_POSITION, acted)

    def in_box(self, velocity: Vector, last_rad_s: Vector, acted: set[Limit]) -> Vector:
        """The velocity, or one from which the tool comes to rest in the box."""
        ignored: set[Limit] = set()
        braking = self.within_reach(np.zeros(self._limits.joints), last_rad_s, ignored)
        # Where even braking leaves the box, nothing may leave it by more.
        allowed_m = self._outside_m(braking) + TOLERANCE * self._limits.max_translation_m
        if self._outside_m(velocity) <= allowed_m:
            return velocity
        acted.add(Limit.WORKSPACE)
        for _ in range(_SLIDES):
            velocity = self.within_reach(self._turned_inwards(velocity), last_rad_s, ignored)
        return last_allowed(
            braking, velocity, lambda candidate: self._outside_m(candidate) <= allowed_m
        )

    def _brakeable(self) -> tuple[Vector, Vector]:
        """Largest speeds towards the lower and the upper ends, each (n,), rad/s.

        The way v * life + v^2 / (2 a) must fit before the end. A joint that brakes at `a` keeps
        fitting, whatever its speed, so this limit never asks for more than the acceleration.
        """
        a, life_s = self._limits.acceleration, self._life_s
        limits = self._limits
        room_down = np.maximum(self._joints - limits.low, 0.0)
        room_up = np.maximum(limits.high - self._joints, 0.0)
        down, up = (
            np.sqrt((a * life_s) ** 2 + 2.0 * a * room) - a * life_s
            for room in (room_down, room_up)
        )
        return down, up

    def _rest_way(self, velocity: Vector) -> Vector:
        """From here to the rest, if this command is the last one, shape (n,), rad."""
        return velocity * (self._life_s + np.abs(velocity) / (2.0 * self._limits.acceleration))

    def _excess_m(self, joints: Vector) -> Vector:
        """The tool beyond the walls of the box, shape (3,), m; 0 inside."""
        tool_m = self._limits.kinematics.chain(joints).point_m(self._mounted_m)
        return tool_m - np.clip(tool_m, self._limits.low_m, self._limits.high_m)

    def _outside_m(self, velocity: Vector) -> float:
        """How far the tool leaves the box on its way to the rest, m."""
        way = self._rest_way(velocity)
        halfway, rest = self._excess_m(self._joints + 0.5 * way), self._excess_m(self._joints + way)
        return max(float(np.linalg.norm(halfway)), float(np.linalg.norm(rest)))

    def _turned_inwards(self, velocity: Vector) -> Vector:
        """One Newton step towards a rest on the wall, by the smallest change of the velocity."""
        way = self._rest_way(velocity)
        excess_m = self._excess_m(self._joints + way)
        seconds = self._life_s + np.abs(velocity) / self._limits.acceleration
        chain = self._limits.kinematics.chain(self._joints + way)
        slope = chain.jacobian(chain.point_m(self._mounted_m))[:3] * seconds
        return velocity - slope.T @ np.linalg.solve(slope @ slope.T + _DAMPING, excess_m)


_DAMPING = 1e-6 * np.eye(3)
"""Keeps the Newton step finite where the arm is stretched out, m^2 s^2."""


def _slower(velocity: Vector, excess: float, limit: Limit, acted: set[Limit]) -> Vector:
    """The velocity, divided by how many times too fast it is."""
    if excess <= 1.0 + TOLERANCE:
        return velocity
    acted.add(limit)
    return velocity / excess


def _clipped(
    velocity: Vector, low: Vector, high: Vector, limit: Limit, acted: set[Limit]
) -> Vector:
    inside = np.clip(velocity, low, high)
    if np.abs(inside - velocity).max() > TOLERANCE:
        acted.add(limit)
    return inside


def last_allowed(start: Vector, end: Vector, allowed: Callable[[Vector], bool]) -> Vector:
    """The furthest allowed point between a start, which is taken as allowed, and an end.

    Args:
        start: Shape (n,).
        end: Shape (n,).
        allowed: Whether a point may be taken; true from the start up to some point.

    Returns:
        The end, or a point at most 1/256 of the way before the last allowed one.
    """
    if allowed(end):
        return end
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if allowed(start + middle * (end - start)):
            low = middle
        else:
            high = middle
    return start + low * (end - start)
