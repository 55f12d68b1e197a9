"""What a lab sets for its Franka, and what the arm itself is."""

from dataclasses import dataclass
from enum import StrEnum
from math import pi
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import LONGEST_SILENCE_S
from tmrl_common.arm import ArmCapabilities, CommandMode
from tmrl_common.constraints import NotEmpty, OneOf, Range, check_fields
from tmrl_common.errors import ConfigError

Array = NDArray[np.float64]

JOINTS = tuple(f"joint{number}" for number in range(1, 8))
"""From the base to the flange, and in the order of every array of joints."""


class FrankaModel(StrEnum):
    """The arms that differ in their joint limits."""

    FR3 = "fr3"
    PANDA = "panda"


@dataclass(frozen=True)
class JointLimits:
    """Limits of one model, from its data sheet.

    Attributes:
        low_rad: Lower limits, shape (7,), rad.
        high_rad: Upper limits, shape (7,), rad.
        velocity_rad_s: Largest speeds that franky plans with, shape (7,), rad/s.
    """

    low_rad: Array
    high_rad: Array
    velocity_rad_s: Array


_VELOCITY_RAD_S = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
LIMITS = {
    FrankaModel.FR3: JointLimits(
        low_rad=np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159]),
        high_rad=np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159]),
        velocity_rad_s=_VELOCITY_RAD_S,
    ),
    FrankaModel.PANDA: JointLimits(
        low_rad=np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]),
        high_rad=np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]),
        velocity_rad_s=_VELOCITY_RAD_S,
    ),
}


@dataclass(frozen=True)
class FrankyConfig:
    """How one Franka is driven.

    Attributes:
        address: IP address or name of the robot's control (the one that Desk is opened at).
        model: "fr3" or "panda": which joint limits hold.
        realtime: Whether a real-time kernel is demanded. False only for a simulator: without it a
            real arm stops with communication errors.
        collision_torque_nm: External torque per joint at which the arm stops itself, N m.
        collision_force_n: External force (x, y, z, N) and torque (N m) at the tool at which it
            stops itself.
        joint_margin_rad: Distance kept from each joint's limit, rad.
        max_velocity_rad_s: Largest speed of a joint on the way to a pose, rad/s. Commanded joint
            velocities are bound by the arm's own limits.
        max_acceleration_rad_s2: Largest acceleration of a joint on the way to a pose, rad/s^2.
        dynamics_factor: Share of Franka's own limits on acceleration and jerk with which speeds
            change, 0 to 1. A stop uses all of them.
        stretch: A pose is due after this times its duration. 1.5 keeps the arm moving through poses
            that come half a period late, as those of a 15 Hz policy do from a controller that ticks
            at 50 Hz; 1 would stop at each of them.
        tracking_gain: How fast a distance from the setpoint is closed, 1/s.
        stream_rate_hz: Joint velocities per second that are handed to franky, Hz.
        home_joint_rad: Rest pose, 7 joints, rad. By default that of DROID.
        home_velocity_rad_s: Largest speed of a joint on the way home, rad/s.
        gripper_speed_m_s: Speed of the fingers, m/s.
        gripper_force_n: What the hand holds things with, N.
        state_timeout_s: Without a newer state of the robot for this long the connection is lost, s.
        connect_timeout_s: The robot must answer within this, s.
    """

    address: Annotated[str, NotEmpty("172.16.0.2, as in Desk's URL")]
    model: Annotated[str, OneOf(*FrankaModel)] = FrankaModel.FR3.value
    realtime: bool = True
    collision_torque_nm: Annotated[tuple[float, ...], Range(1.0, 100.0)] = (
        20.0,
        20.0,
        18.0,
        18.0,
        16.0,
        14.0,
        12.0,
    )
    collision_force_n: Annotated[tuple[float, ...], Range(1.0, 100.0)] = (
        20.0,
        20.0,
        20.0,
        25.0,
        25.0,
        25.0,
    )
    joint_margin_rad: Annotated[float, Range(0.01, 0.3, unit="rad")] = 0.05
    max_velocity_rad_s: Annotated[float, Range(0.05, 2.0, unit="rad/s")] = 1.0
    max_acceleration_rad_s2: Annotated[float, Range(0.5, 7.5, unit="rad/s^2")] = 5.0
    dynamics_factor: Annotated[float, Range(0.05, 1.0)] = 0.3
    stretch: Annotated[float, Range(1.0, 2.0)] = 1.5
    tracking_gain: Annotated[float, Range(1.0, 20.0)] = 8.0
    stream_rate_hz: Annotated[float, Range(50.0, 250.0)] = 100.0
    home_joint_rad: tuple[float, ...] = (0.0, -pi / 5, 0.0, -4 * pi / 5, 0.0, 3 * pi / 5, 0.0)
    home_velocity_rad_s: Annotated[float, Range(0.05, 1.0, unit="rad/s")] = 0.4
    gripper_speed_m_s: Annotated[float, Range(0.01, 0.1, unit="m/s")] = 0.1
    gripper_force_n: Annotated[float, Range(1.0, 70.0)] = 20.0
    state_timeout_s: Annotated[float, Range(0.1, LONGEST_SILENCE_S, unit="s")] = 0.5
    connect_timeout_s: Annotated[float, Range(0.5, 60.0, unit="s")] = 5.0

    def __post_init__(self) -> None:
        """Refuses what the arm could not do, or could do harm.

        Raises:
            ConfigError: A value is unknown or out of range; the text names it and what is valid.
        """
        check_fields(self)
        for name, count in (("collision_torque_nm", 7), ("collision_force_n", 6)):
            if len(getattr(self, name)) != count:
                raise ConfigError(f"{name} has {len(getattr(self, name))} values; give {count}")
        self._check_home()

    def _check_home(self) -> None:
        home_rad = np.array(self.home_joint_rad)
        if home_rad.shape != (7,):
            raise ConfigError(f"home_joint_rad has {home_rad.size} values; give 7")
        outside = (home_rad < self.low_rad) | (home_rad > self.high_rad) | ~np.isfinite(home_rad)
        for joint in np.flatnonzero(outside).tolist():
            raise ConfigError(
                f"home_joint_rad puts {JOINTS[joint]} at {home_rad[joint]:g} rad; for the "
                f"{self.model} it must be {self.low_rad[joint]:.3f} to {self.high_rad[joint]:.3f}"
            )

    @property
    def limits(self) -> JointLimits:
        """Those of the model."""
        return LIMITS[FrankaModel(self.model)]

    @property
    def low_rad(self) -> Array:
        """Lowest joint positions that are driven to, shape (7,), rad."""
        return self.limits.low_rad + self.joint_margin_rad

    @property
    def high_rad(self) -> Array:
        """Highest joint positions that are driven to, shape (7,), rad."""
        return self.limits.high_rad - self.joint_margin_rad


def capabilities_of(config: FrankyConfig) -> ArmCapabilities:
    """What the arm can do under these settings."""
    return ArmCapabilities(
        model=f"Franka {config.model.upper()}",
        joint_names=JOINTS,
        joint_low_rad=config.low_rad,
        joint_high_rad=config.high_rad,
        joint_max_velocity_rad_s=config.limits.velocity_rad_s,
        modes=frozenset(CommandMode),
        state_rate_hz=config.stream_rate_hz,
        max_command_rate_hz=config.stream_rate_hz,
    )
