"""A signal in mid-motion: a Franka is braked to rest before its node's process ends.

What the robot was commanded is judged from the record of its side of libfranka's protocol.
"""

import signal

import numpy as np
import pytest

pytest.importorskip("franky", reason="needs franky-control")
pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

from tmrl_arm.testing.client_node import TIMEOUT_S, ArmClient, start_arm
from tmrl_arm.testing.franka_simulator import FrankaSimulator, own_address
from tmrl_msgs.msg import ArmCommand

pytestmark = pytest.mark.ros

SPEED_RAD_S = 0.8
BRAKE_RAD_S2 = 15.0
"""What the data sheet allows the first joint: the steepest limit of the models."""
TURN = [SPEED_RAD_S, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.fixture
def franka(ros_domain_id):
    """The robot, the node as a process of its own, and its client."""
    address = own_address()
    with FrankaSimulator(address) as robot:
        process = start_arm(
            "franka",
            driver="franky",
            franky__address=address,
            franky__realtime="false",
            franky__connect_timeout_s="20.0",
        )
        client = ArmClient("franka", ros_domain_id)
        try:
            yield robot, process, client
        finally:
            process.kill()
            client.close()


def swing(robot, client):
    """Turn the first joint until it is at speed; the last command stays valid for a while."""
    client.first_state()

    def at_speed():
        # A busy machine may take longer to start the motion than one command is valid.
        client.send(ArmCommand.JOINT_VELOCITY, joint_velocity=TURN, valid_for_s=1.0)
        return (robot.velocities()[-10:, 1] > 0.99 * SPEED_RAD_S).any()

    client.wait(at_speed, "the robot to be at speed")


def check_ramp(commanded):
    """From full speed to rest, steadily, no faster than the joint may brake and not much slower."""
    numbers, speed = commanded[:, 0], commanded[:, 1]
    ramp = slice(np.flatnonzero(speed > 0.99 * SPEED_RAD_S)[-1], None)
    numbers, speed = numbers[ramp], speed[ramp]
    assert speed[-1] == pytest.approx(0.0, abs=2e-3)
    assert np.diff(speed).max() <= 1e-6
    # Over 30 ms: on a busy machine a command may count as one of a cycle sooner or later, at both
    # ends, and single ones come in a bunch.
    slope = (speed[30:] - speed[:-30]) / ((numbers[30:] - numbers[:-30] + 2.0) * 1e-3)
    assert slope.min() >= -1.02 * BRAKE_RAD_S2
    assert SPEED_RAD_S / BRAKE_RAD_S2 <= (numbers[-1] - numbers[0]) * 1e-3 < 0.5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_motion_brakes_the_robot_before_its_node_ends(franka, number):
    robot, process, client = franka
    swing(robot, client)
    process.send_signal(number)
    process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "did not come to rest" not in errors
    check_ramp(robot.velocities())


def test_a_hold_brakes_alike(franka):
    robot, _, client = franka
    swing(robot, client)
    client.send(ArmCommand.HOLD, sequence=7)
    client.wait(lambda: client.newest.last_command_sequence == 7, "the hold to be taken")
    client.wait(lambda: client.newest.holding, "the robot to hold")
    check_ramp(robot.velocities())
