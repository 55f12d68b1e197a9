"""Which topics belong to a session."""

import pytest

from tmrl_recorder.topics import is_picture, is_recorded

TOPICS = {
    "/widowx/arm/state": True,
    "/widowx/camera/wrist/image": True,
    "/tf": True,
    "/tf_static": True,
    "/diagnostics": True,
    "/clock": True,
    "/franka/arm/state": False,
    "/widowx2/arm/state": False,
    "/rosout": False,
    "/parameter_events": False,
    "/widowx/parameter_events": False,
}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_robot_records_its_own_and_what_is_shared(topic: str) -> None:
    assert is_recorded(topic, "/widowx") is TOPICS[topic]


def test_pictures_are_known_by_their_type() -> None:
    assert is_picture("sensor_msgs/msg/Image")
    assert not is_picture("sensor_msgs/msg/CameraInfo")
