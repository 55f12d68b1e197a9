"""Reads the state of a Franka and its hand through libfranka; takes hold of nothing."""

import time
from importlib.metadata import version

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.franka.franka_robot import RobotMode, RobotSample
from tmrl_arm.franka.franky_config import JOINTS, FrankyConfig
from tmrl_arm.franka.franky_robot import FrankyRobot, open_hand, open_robot
from tmrl_doctor.arm import ArmSeen

_LISTEN_S = 1.5
_READ_HZ = 100.0
_NEW_STATES_HZ = 50.0
"""Far below the robot's own 1 kHz: every one of these reads should see a newer state."""
_HELP = {
    RobotMode.OTHER: "release the brakes in Desk, and activate FCI",
    RobotMode.GUIDING: "let go of the guiding buttons",
    RobotMode.REFLEX: "it stopped itself; see what touched it, then arm/recover",
    RobotMode.USER_STOPPED: "the stop button is pressed: see why, then release it",
}


def look_at_franka(config: FrankyConfig) -> ArmSeen:
    """Listens to the robot for a second or two and asks its hand.

    Raises:
        ArmConnectionError: The robot or its hand does not answer; the text says what helps.
    """
    samples = _samples(open_robot(config))
    newest = samples[-1]
    fault = ""
    try:
        hand = f"hand interface {open_hand(config).version}"
    except ArmConnectionError as error:
        hand, fault = "no hand", str(error)
    if newest.mode in _HELP:
        errors = f" ({', '.join(newest.errors)})" if newest.errors else ""
        fault = f"the robot is in mode {newest.mode}{errors}: {_HELP[newest.mode]}"
    return ArmSeen(
        through=f"libfranka at {config.address}",
        model=f"Franka {config.model}",
        firmware=f"franky-control {version('franky-control')} and the robot's system fit; {hand}",
        rate_hz=len({sample.robot_time_s for sample in samples}) / _LISTEN_S,
        expected_hz=_NEW_STATES_HZ,
        fault=fault,
        joint_names=JOINTS,
        joint_rad=newest.joint_position_rad,
        joint_low_rad=config.limits.low_rad,
        joint_high_rad=config.limits.high_rad,
    )


def _samples(robot: FrankyRobot) -> list[RobotSample]:
    samples: list[RobotSample] = []
    ends_s = time.monotonic() + _LISTEN_S
    while time.monotonic() < ends_s:
        samples.append(robot.sample())
        time.sleep(1.0 / _READ_HZ)
    return samples
