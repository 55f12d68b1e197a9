import numpy as np
import pytest

from tmrl_cell.kinematics import ARM_JOINTS
from tmrl_cell.loopback import LoopbackCell, in_pot_after
from tmrl_sim.core import SimCore
from tmrl_sim.params import SimConfig

pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

from tmrl_msgs.msg import ArmCommand
from tmrl_ros.chunk_messages import arm_command
from tmrl_sim.messages import MeasurementMessages

CONFIG = SimConfig(robot="widowx")


def move(sequence: int) -> ArmCommand:
    message = ArmCommand(
        robot="widowx",
        sequence=sequence,
        mode=ArmCommand.CARTESIAN_POSE,
        gripper_opening=0.75,
        duration_s=0.2,
        valid_for_s=0.4,
    )
    pose = message.x_base_tool
    pose.position.x, pose.position.y, pose.position.z = 0.3, 0.1, 0.05
    q = pose.orientation
    q.x, q.y, q.z, q.w = 0.0, 0.8, 0.0, 0.6
    return message


def test_a_command_survives_the_journey_to_the_arm_and_back():
    core = SimCore(CONFIG, LoopbackCell())
    messages = MeasurementMessages(CONFIG)
    messages.fill(core.command(arm_command(move(sequence=7))))
    state = messages.arm_state
    assert state.x_base_tool == move(7).x_base_tool
    assert (state.gripper_opening, state.gripper_command) == (0.75, 0.75)
    assert (state.robot, state.sequence, state.fault) == ("widowx", 2, "")
    assert list(state.joint_names) == list(ARM_JOINTS)
    assert len(state.joint_position) == len(state.joint_velocity) == len(ARM_JOINTS)
    assert arm_command(move(7)).sequence == 7


def test_one_instant_has_one_stamp_and_one_frame():
    core = SimCore(CONFIG, LoopbackCell())
    messages = MeasurementMessages(CONFIG)
    messages.fill(core.command(arm_command(move(1))))
    picture = messages.image("wrist", np.zeros((4, 6, 3), dtype=np.uint8))
    headers = [m.header for m in (messages.arm_state, messages.objects, messages.success)]
    assert {header.frame_id for header in headers} == {"widowx/base"}
    stamps = [messages.clock.clock, picture.header.stamp, *(header.stamp for header in headers)]
    assert {(stamp.sec, stamp.nanosec) for stamp in stamps} == {(0, 400_000_000)}


def test_objects_and_success_are_told_by_name():
    core = SimCore(CONFIG, LoopbackCell(in_pot_after(1, "sausage")))
    messages = MeasurementMessages(CONFIG)
    messages.fill(core.newest)
    assert (messages.success.success, messages.success.detail) == (False, "nothing in pot")
    carrot = messages.objects.poses[list(messages.objects.names).index("carrot")]
    expected_m = core.newest.objects["carrot"].position_m
    assert (carrot.position.x, carrot.position.y) == (expected_m[0], expected_m[1])
    messages.fill(core.command(arm_command(move(1))))
    assert (messages.success.success, messages.success.detail) == (True, "sausage in pot")
    assert messages.success.ground_truth
    assert messages.success.confidence == 1.0


def test_a_picture_keeps_its_pixels_and_its_shape():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    picture = MeasurementMessages(CONFIG).image("overview", pixels)
    assert (picture.height, picture.width, picture.step) == (4, 6, 18)
    assert (picture.encoding, picture.header.frame_id) == ("rgb8", "widowx/overview")
    np.testing.assert_array_equal(np.array(picture.data, dtype=np.uint8).reshape(4, 6, 3), pixels)
