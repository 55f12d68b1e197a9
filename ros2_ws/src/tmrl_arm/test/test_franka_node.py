"""The node with a Franka, over real DDS: the robot dies in mid-motion and comes back."""

import signal
from contextlib import contextmanager

import pytest

pytest.importorskip("franky", reason="needs franky-control")
pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

from tmrl_arm.testing.client_node import TIMEOUT_S, ArmClient, start_arm
from tmrl_arm.testing.franka_simulator import FrankaSimulator, own_address
from tmrl_msgs.msg import ArmCommand

pytestmark = pytest.mark.ros

JOINT = [0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.fixture
def address():
    return own_address()


@contextmanager
def running_arm(address, domain_id):
    process = start_arm(
        "franka",
        driver="franky",
        franky__address=address,
        franky__realtime="false",
        franky__connect_timeout_s="20.0",
    )
    client = ArmClient("franka", domain_id)
    try:
        yield client
        assert process.poll() is None, "the node died"
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        client.close()


def turn(client):
    """Keep the first joint turning until it is seen to."""

    def turning():
        client.send(ArmCommand.JOINT_VELOCITY, joint_velocity=JOINT, valid_for_s=0.5)
        client.next_state()
        return client.newest.joint_velocity[0] > 0.1

    client.wait(turning, "the arm to turn")


def test_a_robot_that_dies_in_mid_motion_is_told_of_and_moves_again_only_when_asked(
    ros_domain_id, address
):
    with FrankaSimulator(address) as simulator, running_arm(address, ros_domain_id) as client:
        client.first_state()
        turn(client)
        simulator.kill()
        client.wait(lambda: client.newest.fault, "the fault to be reported")
        client.wait_for_health(lambda status: status.level != b"\x00", "diagnostics to tell it")
        client.wait_for_figure("failed_attempts", lambda count: int(count) > 1)
        assert "the next one in" in client.statuses[-1].message
        last = client.newest
        simulator.start()
        client.wait(lambda: "arm/recover" in client.newest.fault, "the arm to be back")
        assert client.newest.sequence > last.sequence
        client.send(ArmCommand.JOINT_VELOCITY, joint_velocity=JOINT, valid_for_s=1.0)
        for _ in range(20):
            client.next_state()
        assert abs(client.newest.joint_velocity[0]) < 0.01
        client.wait_for_figure("commands_refused", lambda count: count != "0")
        reply = client.call("arm/recover")
        assert reply.success, reply.message
        client.wait(lambda: client.newest.fault == "", "the fault to be over")
        turn(client)


def test_a_robot_that_is_not_there_yet_is_waited_for(ros_domain_id, address):
    with running_arm(address, ros_domain_id) as client:
        client.wait_for_health(lambda status: "attempt" in status.message, "news")
        assert "activate FCI" in client.statuses[-1].message
        assert client.states == []
        with FrankaSimulator(address):
            assert client.first_state().fault == ""
