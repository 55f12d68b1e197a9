"""What the doctor says of cameras on the ROS 2 network that are found and not heard."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from sensor_msgs.msg import CompressedImage, Image

from tmrl_doctor.camera_probe import look_at_camera
from tmrl_doctor.hearing import NotHeardError
from tmrl_doctor.topic_listener import TopicListener
from tmrl_ros import qos

pytestmark = [pytest.mark.ros]


@pytest.fixture
def listener(ros_domain_id: int) -> Iterator[TopicListener]:
    with TopicListener("/lab") as listener:
        yield listener


@pytest.mark.parametrize(
    ("kind", "profile", "cause", "remedy"),
    [
        (Image, qos.IMAGE_OF_OTHERS, "best effort", "agent.best_effort_images"),
        (CompressedImage, qos.IMAGE, "carries sensor_msgs/msg/CompressedImage", "/compressed"),
        (Image, qos.IMAGE, "nothing is heard", "/dev/shm"),
    ],
)
def test_the_cause_is_found_on_the_network(
    kind: Any, profile: Any, cause: str, remedy: str, listener: TopicListener
) -> None:
    listener.node.create_publisher(kind, "camera/front/image", profile)
    with pytest.raises(NotHeardError, match=cause) as caught:
        look_at_camera(None, "camera/front/image", listener)
    assert remedy in caught.value.remedy
    assert "/lab/doctor" in str(caught.value) or "carries" in cause


def test_listening_again_and_again_is_safe(listener: TopicListener) -> None:
    """A topic that is given up just while the node looks for news must not end the node."""
    topic = "camera/front/image"
    front = listener.node.create_publisher(Image, topic, qos.IMAGE)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            front.publish(Image())
            listener.receive(Image, topic, qos.IMAGE, enough=1, wait_s=0.01)
    finally:
        sys.setswitchinterval(interval_s)
    front.publish(Image())
    late = listener.node.create_timer(0.05, lambda: front.publish(Image()))
    assert listener.receive(Image, topic, qos.IMAGE, enough=1, wait_s=20.0)
    late.cancel()
