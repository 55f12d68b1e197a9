"""The node as a process of its own, over real DDS, with the made-up arm."""

import os
import signal
from copy import deepcopy

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

from tmrl_arm.testing.client_node import TIMEOUT_S, ArmClient, figures_of, start_arm
from tmrl_common.testing.drivers import offer_driver
from tmrl_description.urdf import read_urdf
from tmrl_msgs.msg import ArmCommand

pytestmark = pytest.mark.ros

HOMELESS = """
from tmrl_common.arm_drivers import DriverDescription
DESCRIPTION = DriverDescription("homeless", "no_such_vendor:Arm", simulated=False)
"""


@pytest.fixture
def arm(ros_domain_id):
    process = start_arm("widowx", driver="loopback", urdf="widowx_250")
    client = ArmClient("widowx", ros_domain_id)
    try:
        client.first_state()
        yield client
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        client.close()


def beside(state, x_m: float):
    pose = deepcopy(state.x_base_tool)
    pose.position.x += x_m
    return pose


def test_states_are_complete_and_numbered(arm):
    first = arm.newest
    following = [arm.next_state() for _ in range(5)]
    assert [state.sequence for state in following] == sorted(s.sequence for s in following)
    assert following[-1].sequence > first.sequence
    assert (first.robot, first.header.frame_id, first.fault) == ("widowx", "widowx/base", "")
    assert len(first.joint_names) == len(first.joint_position) == len(first.joint_velocity) == 6
    stamps = [(state.header.stamp.sec, state.header.stamp.nanosec) for state in following]
    assert stamps == sorted(stamps)


def test_standard_tools_see_joints_and_tool_as_arm_state_has_them(arm):
    def are_of_one_instant():
        others = arm.joints[-1:] + arm.poses[-1:]
        return [other.header for other in others] == [arm.newest.header] * 2

    arm.wait(are_of_one_instant, "state, joints and pose of one instant")
    state, joints, pose = arm.newest, arm.joints[-1], arm.poses[-1]
    assert pose.header.frame_id == "widowx/base"
    assert joints.name == state.joint_names
    assert joints.position == state.joint_position
    assert joints.velocity == state.joint_velocity
    assert joints.effort == state.joint_effort
    assert pose.pose == state.x_base_tool


def test_the_description_that_the_rig_names_is_published(arm):
    arm.wait(lambda: arm.descriptions, "the description")
    assert arm.descriptions[0].data == read_urdf("widowx_250")


def test_a_movement_arrives_and_its_validity_ends(arm):
    start = arm.newest
    target = beside(start, 0.04)
    arm.send(ArmCommand.CARTESIAN_POSE, x_base_tool=target, gripper_opening=0.3)
    arm.wait(lambda: abs(arm.newest.x_base_tool.position.x - target.position.x) < 1e-6, "arrival")
    arm.wait(lambda: abs(arm.newest.gripper_opening - 0.3) < 1e-6, "the gripper")
    assert arm.newest.gripper_command == pytest.approx(0.3)
    far = beside(arm.newest, 0.2)
    arm.send(ArmCommand.CARTESIAN_POSE, x_base_tool=far, duration_s=10.0, valid_for_s=0.2)
    arm.wait(lambda: arm.newest.x_base_tool != target, "the arm to set off")

    def at_rest():
        before = arm.newest.x_base_tool
        return arm.next_state().x_base_tool == before

    arm.wait(at_rest, "the validity to end")
    assert arm.newest.x_base_tool.position.x < far.position.x - 0.1


def test_a_refused_command_is_told(arm):
    arm.send(ArmCommand.CARTESIAN_POSE, sequence=12, robot="franka")
    arm.wait(lambda: "command 12 was refused" in arm.newest.fault, "the refusal")
    assert "'franka'" in arm.newest.fault
    arm.wait(lambda: arm.newest.fault == "", "the refusal to be over")


def test_going_home_leaves_the_arm_reachable(arm):
    target = beside(arm.newest, 0.1)
    arm.send(ArmCommand.CARTESIAN_POSE, x_base_tool=target)
    arm.wait(lambda: abs(arm.newest.x_base_tool.position.x - target.position.x) < 1e-6, "arrival")
    count = len(arm.states)
    reply = arm.call("arm/home")
    assert (reply.success, reply.message) == (True, "the arm is at its rest pose")
    assert len(arm.states) > count + 5
    arm.send(ArmCommand.CARTESIAN_POSE, x_base_tool=target)
    arm.wait(lambda: abs(arm.newest.x_base_tool.position.x - target.position.x) < 1e-6, "arrival")
    pending = arm.ask("arm/home")
    arm.wait(lambda: arm.newest.x_base_tool.position.x < target.position.x - 0.01, "the way home")
    arm.send(ArmCommand.HOLD)
    arm.wait(pending.done, "the interrupted way home")
    assert not pending.result().success
    assert "hold" in pending.result().message


def test_recover_and_the_figures_of_health(arm):
    assert arm.call("arm/recover").success
    arm.wait_for_health(lambda status: status.message == "ok", "good diagnostics")
    arm.wait_for_figure("states", lambda count: int(count) > 0)
    figures = figures_of(arm.statuses[-1])
    assert (figures["driver"], figures["connected"]) == ("loopback", "true")
    assert arm.statuses[-1].hardware_id == "widowx/arm"


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"driver": "frnaky"}, ["'frnaky'", "did you mean 'franky'"]),
        ({"driver": "loopback", "state_rate": "9.0"}, ["state_rate", "state_rate_hz"]),
        ({"driver": "loopback", "state_rate_hz": "1.0"}, ["1.0", "10 to 250"]),
        ({"driver": "loopback", "franky__address": "10.0.0.1"}, ["'franky'", "'loopback'"]),
        ({"driver": "franky"}, ["franky.address", "no default"]),
    ],
)
def test_what_cannot_be_hosted_is_refused_by_name(ros_domain_id, parameters, names):
    process = start_arm("widowx", **parameters)
    _, text = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert all(name in text for name in names)


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [
        ("broken", "that cannot be loaded (ModuleNotFoundError: No module named 'no_such_vendor')"),
        ("twice", "which games 1.0 and toys 1.0 both offer"),
        ("homeless", "the driver 'homeless' cannot be loaded"),
    ],
)
def test_a_driver_of_another_package_that_cannot_be_had_is_refused(
    ros_domain_id, tmp_path, monkeypatch, driver, sentence
):
    twice = {"twice": "toy_arm:TWICE"}
    offers = {"broken": "broken_arm:DESCRIPTION", "homeless": "toy_arm:DESCRIPTION"}
    sources = {"broken_arm": "import no_such_vendor", "toy_arm": HOMELESS}
    offer_driver(tmp_path, "toys", twice | offers, sources)
    offer_driver(tmp_path, "games", twice)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")

    process = start_arm("widowx", driver=driver)
    _, text = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert sentence in text
    assert "Traceback" not in text
