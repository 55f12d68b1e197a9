"""Frames on /tf and /tf_static, where tf2_msgs is installed."""

import importlib
from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import Pose, TransformStamped
from rclpy.node import Node
from std_msgs.msg import Header

from tmrl_ros import qos


def tf_message_type() -> Any:
    """tf2_msgs/TFMessage; None where it is not installed, as on a machine with wheels only."""
    try:
        return importlib.import_module("tf2_msgs.msg").TFMessage
    except ModuleNotFoundError:
        return None


class Transforms:
    """Publishes transforms; without tf2_msgs it says so once and does nothing."""

    def __init__(self, node: Node) -> None:
        """Creates the publishers.

        Args:
            node: Publishes and logs.
        """
        self._kind = tf_message_type()
        if self._kind is None:
            node.get_logger().info(
                "no frames on /tf and /tf_static: tf2_msgs is not installed "
                "(apt install ros-<distro>-tf2-msgs)"
            )
            return
        self._moving = node.create_publisher(self._kind, "/tf", qos.TRANSFORMS)
        self._fixed = node.create_publisher(self._kind, "/tf_static", qos.STATUS)

    def move(self, transform: TransformStamped) -> None:
        """Publishes where a moving frame is."""
        if self._kind is not None:
            self._moving.publish(self._kind(transforms=[transform]))

    def fix(self, transforms: Sequence[TransformStamped]) -> None:
        """Publishes all fixed frames of the node; whoever comes late gets them, too."""
        if self._kind is not None and transforms:
            self._fixed.publish(self._kind(transforms=list(transforms)))


def transform_of(header: Header, child: str, pose: Pose) -> TransformStamped:
    """Where a frame is, from its pose in the frame of the header."""
    found = TransformStamped(header=header, child_frame_id=child)
    found.transform.translation.x = pose.position.x
    found.transform.translation.y = pose.position.y
    found.transform.translation.z = pose.position.z
    found.transform.rotation = pose.orientation
    return found
