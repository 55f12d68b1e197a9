"""Frames on tf. Where tf2_msgs is not installed, as from wheels, a stand-in takes its place here.

The stand-in cannot travel over DDS, so the node is one that keeps what would be published.
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Quaternion

from tmrl_msgs.msg import ArmState
from tmrl_ros import transforms
from tmrl_ros.arm_topics import ArmTopics
from tmrl_ros.transforms import Transforms, tf_message_type, transform_of


class StandIn:
    """What of tf2_msgs/TFMessage is used here."""

    def __init__(self, transforms):
        self.transforms = transforms


class Keeping:
    """A node that keeps what it would publish, and what it logs."""

    def __init__(self):
        self.published = defaultdict(list)
        self.profiles = {}
        self.lines = []

    def create_publisher(self, kind, topic, profile):
        self.profiles[topic] = profile
        return SimpleNamespace(publish=self.published[topic].append)

    def get_logger(self):
        return SimpleNamespace(info=self.lines.append)


@pytest.fixture
def node(monkeypatch):
    kind = tf_message_type() or StandIn
    monkeypatch.setattr(transforms, "tf_message_type", lambda: kind)
    return Keeping()


def state_at(nanosec, x_m):
    state = ArmState(robot="widowx", x_base_tool=Pose(position=Point(x=x_m)))
    state.header.frame_id = "widowx/base"
    state.header.stamp.nanosec = nanosec
    return state


def test_the_measured_tool_is_a_frame_below_the_base(node):
    arm = ArmTopics(node)
    state = state_at(5, 0.25)
    state.x_base_tool.orientation = Quaternion(y=0.6, w=0.8)
    arm.publish(state)

    ((found,),) = [message.transforms for message in node.published["/tf"]]
    assert (found.header.frame_id, found.child_frame_id) == ("widowx/base", "widowx/tool")
    assert found.header.stamp == Time(nanosec=5)
    assert found.transform.translation.x == 0.25
    assert found.transform.rotation == Quaternion(y=0.6, w=0.8)


def test_a_repeated_state_is_no_second_transform(node):
    arm = ArmTopics(node)
    for nanosec in (5, 5, 6):
        arm.publish(state_at(nanosec, 0.25))

    stamps = [message.transforms[0].header.stamp.nanosec for message in node.published["/tf"]]
    assert stamps == [5, 6]
    assert len(node.published["arm/state"]) == 3


def test_fixed_frames_are_kept_for_whoever_comes_late(node):
    header = state_at(0, 0.0).header
    camera = transform_of(header, "widowx/overview", Pose(position=Point(z=0.5)))
    Transforms(node).fix([camera])

    (message,) = node.published["/tf_static"]
    assert message.transforms == [camera]
    assert node.profiles["/tf_static"].durability.name == "TRANSIENT_LOCAL"


def test_without_tf2_it_says_so_once_and_the_arm_is_published_all_the_same(monkeypatch):
    monkeypatch.setattr(transforms, "tf_message_type", lambda: None)
    node = Keeping()
    arm = ArmTopics(node)
    for nanosec in (1, 2):
        arm.publish(state_at(nanosec, 0.25))
    arm.transforms.fix([transform_of(state_at(0, 0.0).header, "widowx/overview", Pose())])

    assert len(node.lines) == 1
    assert "tf2_msgs is not installed" in node.lines[0]
    assert not {"/tf", "/tf_static"} & node.published.keys()
    assert len(node.published["arm/state"]) == 2
