"""The thread that leads a Franka may fail in any way; nobody may take its last sample for news."""

import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from tmrl_arm.driver import ArmConnectionError
from tmrl_arm.franka.franka_arm import FrankaArm
from tmrl_arm.franka.franka_robot import RobotMode, RobotSample
from tmrl_arm.franka.franky_config import FrankyConfig
from tmrl_common.clock import SteadyClock

TIMEOUT_S = 60.0
CONFIG = FrankyConfig(address="192.0.2.1")
AT_HOME = RobotSample(
    robot_time_s=0.0,
    joint_position_rad=np.array(CONFIG.home_joint_rad),
    joint_velocity_rad_s=np.zeros(7),
    joint_effort_nm=np.zeros(7),
    tool_position_m=np.array((0.4, 0.0, 0.4)),
    tool_quaternion_xyzw=np.array((1.0, 0.0, 0.0, 0.0)),
    mode=RobotMode.IDLE,
    errors=(),
)


class MadeUpRobot:
    """Rests at home until a test makes it fail."""

    chain = None

    def __init__(self):
        self.error = None
        self.abandoned = False
        self._samples = 0

    def sample(self):
        if self.error is not None:
            raise self.error
        self._samples += 1
        return replace(AT_HOME, robot_time_s=0.001 * self._samples)

    def move(self, velocity_rad_s, hold_s):
        pass

    def halt(self):
        pass

    def poll(self):
        return False

    def recover(self):
        pass

    def abandon(self):
        self.abandoned = True


class MadeUpHand:
    """Stays open."""

    def opening(self):
        return 1.0

    def start(self, opening):
        pass

    def wait(self, timeout_s):
        return True


class ClumsyError(Exception):
    """One that no list holds, as a vendor's software raises now and then."""


@pytest.fixture
def robot():
    return MadeUpRobot()


@pytest.fixture
def arm(robot):
    with closing(
        FrankaArm(CONFIG, SteadyClock(), lambda _: robot, lambda _: MadeUpHand())
    ) as driver:
        driver.connect()
        yield driver


def reading_fails(arm) -> str:
    """What is said once no reading is handed out any more."""
    ends_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends_s:
        try:
            arm.read()
        except ArmConnectionError as error:
            return str(error)
        time.sleep(0.005)
    raise TimeoutError("states are handed out although the thread has failed")


def test_a_failure_that_nobody_thought_of_is_a_lost_connection(arm, robot):
    robot.error = ClumsyError("no control process is active")
    told = reading_fails(arm)
    assert "ClumsyError: no control process is active" in told
    for call in (arm.stop, arm.home):
        with pytest.raises(ArmConnectionError, match="no control process is active"):
            call()
    robot.error = None
    arm.connect()
    assert arm.read().fault is None
    assert robot.abandoned, "the lost connection was let go of"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_without_a_word_is_a_lost_connection(arm, robot):
    robot.error = SystemExit()
    assert "thread that leads the robot has ended" in reading_fails(arm)
