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

from tmrl_common.types import FloatArray

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
