"""Conversions between ROS messages and the plain types of tmrl_common, both ways.

Array fields are filled through the buffer protocol: assigning a list makes rclpy check every
element, which costs milliseconds for an image.
"""

import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose
from numpy.typing import NDArray

from tmrl_common.types import FloatArray, Outcome, SteeringSource, Transition
from tmrl_msgs.msg import Transition as TransitionMsg

_NANO = 1_000_000_000


def to_seconds(stamp: Time) -> float:
    """Seconds of a ROS stamp."""
    return stamp.sec + stamp.nanosec / _NANO


def to_stamp(seconds: float) -> Time:
    """ROS stamp of a time in seconds, rounded to the nanosecond."""
    return stamp_of_nanoseconds(round(seconds * _NANO))


def nanoseconds(stamp: Time) -> int:
    """Nanoseconds of a ROS stamp, exactly: what labels are bound to chunks by."""
    return stamp.sec * _NANO + stamp.nanosec


def stamp_of_nanoseconds(value: int) -> Time:
    """ROS stamp of a time in nanoseconds, exactly."""
    return Time(sec=value // _NANO, nanosec=value % _NANO)


def to_float32_field(values: NDArray[Any]) -> "array.array[float]":
    """A float32[] field from an array of any shape, row-major, without a Python loop."""
    field = array.array("f")
    field.frombytes(np.ascontiguousarray(values, dtype=np.float32).tobytes())
    return field


def to_uint8_field(values: NDArray[np.uint8]) -> "array.array[int]":
    """A uint8[] field from an array of any shape, row-major."""
    field = array.array("B")
    field.frombytes(np.ascontiguousarray(values, dtype=np.uint8).tobytes())
    return field


def from_float32_field(field: "array.array[float]", *shape: int) -> FloatArray:
    """A copy of a float32[] field in the given shape; without a shape it stays flat."""
    values = np.array(field, dtype=np.float32)
    return values.reshape(shape) if shape else values


def to_pose(position: NDArray[Any], quaternion: NDArray[Any]) -> Pose:
    """Pose message from a position (3,) [m] and a quaternion (4,) in the order x, y, z, w."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = (float(v) for v in position)
    q = pose.orientation
    q.x, q.y, q.z, q.w = (float(v) for v in quaternion)
    return pose


def from_pose(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Position (3,) [m] and quaternion (4,) in the order x, y, z, w of a pose message."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w])


_SAME_IN_BOTH = (
    "robot",
    "session",
    "sequence",
    "episode",
    "chunk",
    "revision",
    "sigma",
    "reward",
    "terminated",
    "truncated",
    "aborted",
    "clamped",
    "actor_version",
    "policy_version",
    "seed",
    "inference_s",
    "round_trip_s",
)


def transition_to_msg(transition: Transition) -> TransitionMsg:
    """Message of a transition."""
    message = TransitionMsg(**{name: getattr(transition, name) for name in _SAME_IN_BOTH})
    message.header.stamp = to_stamp(transition.stamp_s)
    message.features = to_float32_field(transition.features)
    message.z = to_float32_field(transition.z)
    message.epsilon = to_float32_field(transition.epsilon)
    message.next_features = to_float32_field(transition.next_features)
    message.steering = transition.steering.value
    message.episode_outcome = int(transition.episode_outcome)
    message.steps, message.action_dim = transition.executed_actions.shape
    message.executed_actions = to_float32_field(transition.executed_actions)
    message.driver = to_uint8_field(transition.driver)
    return message


def transition_from_msg(message: TransitionMsg) -> Transition:
    """Transition of a message.

    Raises:
        ValueError: A field cannot be what it claims to be (shape, steering source, outcome).
    """
    return Transition(
        **{name: getattr(message, name) for name in _SAME_IN_BOTH},
        stamp_s=to_seconds(message.header.stamp),
        features=from_float32_field(message.features),
        z=from_float32_field(message.z),
        epsilon=from_float32_field(message.epsilon),
        next_features=from_float32_field(message.next_features),
        steering=SteeringSource(message.steering),
        episode_outcome=Outcome(message.episode_outcome),
        executed_actions=from_float32_field(
            message.executed_actions, message.steps, message.action_dim
        ),
        driver=np.array(message.driver, dtype=np.uint8),
    )
