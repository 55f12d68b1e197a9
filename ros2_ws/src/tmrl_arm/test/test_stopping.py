"""A signal in mid-motion: the arm brakes as for a hold, and only then does its node end.

What the motors were sent is judged from the record of the vendor driver's stand-in.
"""

import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

from tmrl_arm.testing.client_node import TIMEOUT_S, ArmClient
from tmrl_msgs.msg import ArmCommand
from tmrl_ros.testing import parameter_arguments

pytestmark = pytest.mark.ros

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
RATE_HZ = 50.0
BRAKE_RAD_S2 = 0.5
FAST_RAD_S = 0.15
"""Of the waist: about three quarters of a second are needed to brake from here."""
PROGRAM = """
import interbotix_messages
interbotix_messages.provide()
from tmrl_arm.node import main
main()
"""
PARAMETERS = {
    "robot": "widowx",
    "driver": "interbotix",
    "interbotix.max_joint_velocity_rad_s": 0.8,
    "interbotix.max_joint_acceleration_rad_s2": BRAKE_RAD_S2,
    "interbotix.connect_timeout_s": 10.0,
    "interbotix.service_timeout_s": 10.0,
    "interbotix.state_timeout_s": 1.0,
}


@pytest.fixture(autouse=True)
def hang_ups_count():
    """A process started where hang-ups are ignored, as under nohup, would ignore them too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def arm(stand_in, ros_domain_id):
    """The node as a process of its own, its client, and the record of the motors."""
    arguments = [*parameter_arguments(PARAMETERS), "-r", "__ns:=/widowx"]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=Path(__file__).parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = ArmClient("widowx", ros_domain_id)
    try:
        yield process, client
    finally:
        process.kill()
        client.close()


def waist_speeds(stand_in):
    """Of the setpoints that reached the motors, rad/s."""
    return np.diff([entry["values"][0] for entry in stand_in.log("joint_group")]) * RATE_HZ


def swing(client, stand_in):
    """Send the tool across, and wait until the waist is at speed."""
    client.first_state()
    across = deepcopy(client.newest.x_base_tool)
    across.position.y += 0.25
    client.send(ArmCommand.CARTESIAN_POSE, x_base_tool=across, duration_s=3.0, valid_for_s=2.0)
    client.wait(lambda: (waist_speeds(stand_in) > FAST_RAD_S).any(), "the arm to be at speed")


def check_ramp(speeds):
    """The waist came to rest, no faster and no slower than its acceleration allows."""
    assert speeds[-1] == 0.0
    change = np.diff(speeds)
    step = BRAKE_RAD_S2 / RATE_HZ
    assert np.abs(change).max() < 1.01 * step
    last_at_speed = np.flatnonzero(speeds > FAST_RAD_S)[-1]
    ramp = change[last_at_speed:]
    slowing = ramp[ramp < 0.0]
    assert slowing[:-1] == pytest.approx(-step, rel=0.01)
    assert len(slowing) >= 0.9 * FAST_RAD_S / step


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_mid_motion_brakes_the_arm_before_its_node_ends(arm, stand_in, number):
    process, client = arm
    swing(client, stand_in)
    process.send_signal(number)
    process.send_signal(number)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "context" not in errors
    check_ramp(waist_speeds(stand_in))


def test_a_hold_brakes_alike(arm, stand_in):
    _, client = arm
    swing(client, stand_in)
    client.send(ArmCommand.HOLD)
    client.wait(lambda: not waist_speeds(stand_in)[-5:].any(), "the arm to be at rest")
    check_ramp(waist_speeds(stand_in))
