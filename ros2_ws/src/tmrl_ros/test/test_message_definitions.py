"""Definitions of messages as recordings carry them: whole, and without what is not there."""

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tmrl_ros.message_definitions import message_definition


@pytest.mark.parametrize(
    "kind",
    [
        "tmrl_msgs/msg/ArmState",
        "tmrl_msgs/msg/Transition",
        "tmrl_msgs/msg/LearnerStatus",
        "sensor_msgs/msg/JointState",
        "sensor_msgs/msg/CameraInfo",
        "diagnostic_msgs/msg/DiagnosticArray",
        "geometry_msgs/msg/PoseStamped",
        "std_msgs/msg/String",
    ],
)
def test_a_definition_is_all_that_another_reader_needs(kind: str) -> None:
    text = message_definition(kind).decode()
    types = get_types_from_msg(text, kind)
    assert kind in types
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    assert store.generate_msgdef(kind)[0]


def test_each_type_is_there_once() -> None:
    text = message_definition("geometry_msgs/msg/PoseStamped").decode()
    assert text.count("MSG: geometry_msgs/Point\n") == 1
    assert text.count("MSG: builtin_interfaces/Time\n") == 1


def test_a_type_that_is_not_installed_has_none() -> None:
    assert message_definition("no_such_msgs/msg/Thing") == b""
    assert message_definition("tmrl_msgs/msg/NoSuchThing") == b""
