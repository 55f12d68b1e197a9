"""What a lab sets for its WidowX 250 (6 DoF), and what the arm itself is."""

from dataclasses import dataclass
from math import pi, radians
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import LONGEST_SILENCE_S
from tmrl_common.arm import ArmCapabilities, CommandMode
from tmrl_common.constraints import Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_common.ros_names import RosName

Array = NDArray[np.float64]

JOINTS = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")
"""The arm's joints in the order of the vendor's group "arm", and of every array of joints."""

SHADOWS = ("shoulder_shadow", "elbow_shadow")
"""The second motors of the two joints that have two; they copy what the first ones receive."""

GRIPPER = "gripper"

# From the vendor's robot description. Its rotary joints end just short of half a turn.
_ALMOST_PI = pi - 1e-5
JOINT_LOW_RAD: Array = np.array(
    [-_ALMOST_PI, radians(-108), radians(-123), -_ALMOST_PI, radians(-100), -_ALMOST_PI]
)
JOINT_HIGH_RAD: Array = np.array(
    [_ALMOST_PI, radians(114), radians(92), _ALMOST_PI, radians(123), _ALMOST_PI]
)
FINGER_LOW_M = 0.015
FINGER_HIGH_M = 0.037
_FINGER_CLOSED_M = 0.011
"""Nearer to the middle the linkage of the gripper is at its dead centre."""
_COMMAND_RATE_HZ = 20.0
_STATE_RATE_HZ = 100.0
_VENDOR_RAD_S = pi
_LONGEST_BRAKING_S = 2.0
"""An arm whose node is ended brakes first; whoever ends it must not need to wait for longer."""

FingerM = Annotated[float, Range(0.0, 0.05, unit="m")]


@dataclass(frozen=True)
class InterbotixConfig:
    """How one WidowX 250 is driven.

    Attributes:
        vendor_name: Name under which the vendor's driver runs (its `robot_name`), the namespace of
            its topics and services.
        joint_margin_rad: Distance kept from each joint's limit, rad.
        max_joint_velocity_rad_s: Largest speed of a joint, rad/s.
        max_joint_acceleration_rad_s2: Largest acceleration of a joint, rad/s^2; also how fast a
            hold brakes.
        stream_rate_hz: Joint targets per second that are sent to the motors, Hz.
        stretch: A target is due after this times its duration. 1.25 keeps the arm moving through
            targets that come a quarter of a period late; 1 would stop at each of them.
        profile_time_ms: Time in which a motor glides to one streamed target, ms.
        gripper_pwm: Largest duty of the gripper's motor, of 885; what it squeezes with.
        finger_closed_m: Distance of a finger from the middle when the gripper counts as closed, m.
        finger_open_m: The same when it counts as open, m.
        home_position_m: Where `home` brings the tool, gripper pointing down, base frame, m.
        home_velocity_rad_s: Largest speed of a joint on the way home, rad/s.
        connect_timeout_s: The vendor's driver must be there within this, s.
        service_timeout_s: Each of its services must answer within this, s.
        state_timeout_s: Joint states may be missing, or make no sense, for this long, s. The
            vendor's driver leaves gaps of up to 0.37 s on a busy machine.
        following_error_rad: A joint may lag so far behind its setpoint, rad.
        following_time_s: For so long, s.
        health_period_s: Time between two looks at the motors' error registers, s.
    """

    vendor_name: Annotated[str, RosName("arm")] = "wx250s"
    joint_margin_rad: Annotated[float, Range(0.0, 0.3, unit="rad")] = 0.02
    max_joint_velocity_rad_s: Annotated[float, Range(0.05, _VENDOR_RAD_S, unit="rad/s")] = 2.0
    max_joint_acceleration_rad_s2: Annotated[float, Range(0.5, 30.0, unit="rad/s^2")] = 10.0
    stream_rate_hz: Annotated[float, Range(20.0, 100.0)] = 50.0
    stretch: Annotated[float, Range(1.0, 2.0)] = 1.25
    profile_time_ms: Annotated[int, Range(10, 200)] = 40
    gripper_pwm: Annotated[int, Range(100, 350)] = 250
    finger_closed_m: FingerM = FINGER_LOW_M
    finger_open_m: FingerM = FINGER_HIGH_M
    home_position_m: Annotated[tuple[float, ...], Range(-1.0, 1.0, unit="m")] = (0.25, 0.0, 0.15)
    home_velocity_rad_s: Annotated[float, Range(0.05, 1.0, unit="rad/s")] = 0.5
    connect_timeout_s: Annotated[float, Range(0.5, 120.0, unit="s")] = 4.0
    service_timeout_s: Annotated[float, Range(0.1, 30.0, unit="s")] = 2.0
    state_timeout_s: Annotated[float, Range(0.05, LONGEST_SILENCE_S, unit="s")] = 0.5
    following_error_rad: Annotated[float, Range(0.05, 1.0, unit="rad")] = 0.25
    following_time_s: Annotated[float, Range(0.05, 2.0, unit="s")] = 0.3
    health_period_s: Annotated[float, Range(0.1, 60.0, unit="s")] = 1.0

    def __post_init__(self) -> None:
        """Refuses what the arm could not do, or could do harm.

        Raises:
            ConfigError: A value is out of range; the text names it and the range.
        """
        check_fields(self)
        if self.braking_s > _LONGEST_BRAKING_S:
            raise ConfigError(
                f"max_joint_acceleration_rad_s2 is {self.max_joint_acceleration_rad_s2}: to brake "
                f"from max_joint_velocity_rad_s ({self.max_joint_velocity_rad_s}) would take "
                f"{self.braking_s:.1f} s, at most {_LONGEST_BRAKING_S:g}; raise it or lower the "
                "velocity"
            )
        if not _FINGER_CLOSED_M <= self.finger_closed_m < self.finger_open_m <= FINGER_HIGH_M:
            raise ConfigError(
                f"finger_closed_m is {self.finger_closed_m} and finger_open_m "
                f"{self.finger_open_m}; they must rise and lie between "
                f"{_FINGER_CLOSED_M} and {FINGER_HIGH_M}"
            )
        if len(self.home_position_m) != 3 or not np.isfinite(self.home_position_m).all():
            raise ConfigError(f"home_position_m is {self.home_position_m}; give x, y and z in m")

    @property
    def braking_s(self) -> float:
        """Longest time from full speed to rest, s."""
        return self.max_joint_velocity_rad_s / self.max_joint_acceleration_rad_s2

    @property
    def joint_low_rad(self) -> Array:
        """Lowest joint positions that are commanded, shape (6,), rad."""
        return JOINT_LOW_RAD + self.joint_margin_rad

    @property
    def joint_high_rad(self) -> Array:
        """Highest joint positions that are commanded, shape (6,), rad."""
        return JOINT_HIGH_RAD - self.joint_margin_rad


def capabilities_of(config: InterbotixConfig) -> ArmCapabilities:
    """What the arm can do under these settings."""
    return ArmCapabilities(
        model="WidowX 250 6DOF",
        joint_names=JOINTS,
        joint_low_rad=config.joint_low_rad,
        joint_high_rad=config.joint_high_rad,
        joint_max_velocity_rad_s=np.full(len(JOINTS), config.max_joint_velocity_rad_s),
        modes=frozenset({CommandMode.HOLD, CommandMode.CARTESIAN_POSE}),
        state_rate_hz=_STATE_RATE_HZ,
        max_command_rate_hz=_COMMAND_RATE_HZ,
        home_position_m=config.home_position_m,
    )
