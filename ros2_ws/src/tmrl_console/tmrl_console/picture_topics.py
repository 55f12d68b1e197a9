"""Subscriptions to cameras, each only while a page shows its pictures.

A simulation renders only what somebody listens to, and a picture costs a copy.
"""

from functools import partial
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.images import Picture
from tmrl_agent.messages import image_reading
from tmrl_console.cameras import Cameras
from tmrl_console.params import ConsoleConfig
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode


class PictureTopics:
    """Subscribes and lets go. Everything here runs in the ROS thread."""

    def __init__(self, node: TmrlNode[ConsoleConfig], cameras: Cameras) -> None:
        """Subscribes to nothing yet.

        Args:
            node: Listens.
            cameras: Their slots are filled.
        """
        self._node, self._cameras = node, cameras
        self._subscriptions: dict[str, Any] = {}

    def refresh(self) -> None:
        """Subscribes to what is watched now, and to nothing else."""
        watched = self._cameras.watched()
        for name in watched - self._subscriptions.keys():
            self._subscriptions[name] = self._subscribe(name)
        for name in self._subscriptions.keys() - watched:
            self._node.destroy_subscription(self._subscriptions.pop(name))

    def _subscribe(self, name: str) -> Any:
        config = self._node.config
        topic = config.topics[name]
        kind = CompressedImage if topic.endswith("/compressed") else Image
        profile = qos.IMAGE_OF_OTHERS if config.best_effort_images else qos.IMAGE
        return self._node.create_subscription(kind, topic, partial(self._take, name), profile)

    def _take(self, name: str, message: Image | CompressedImage) -> None:
        if slot := self._cameras.slot(name):
            slot.put(partial(_picture_of, message))


def _picture_of(message: Image | CompressedImage) -> Picture:
    """The picture in a message.

    Raises:
        ValueError: It cannot be used; the text says why.
    """
    reading = image_reading(message, received_s=0.0)
    if reading.picture is None:
        raise ValueError(reading.problem)
    return reading.picture
