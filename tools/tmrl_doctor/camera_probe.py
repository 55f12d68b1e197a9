"""Looks at some seconds of a camera: through its topic where it runs, at the device otherwise."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.images import CompressedPicture, RawPicture
from tmrl_agent.messages import image_reading
from tmrl_camera.params import CameraConfig
from tmrl_doctor.cameras import PicturesSeen
from tmrl_doctor.hearing import NotHeardError, explain_silence
from tmrl_doctor.topic_listener import TopicListener
from tmrl_ros import qos

_LISTEN_S = 2.0
_SECOND_S = 20.0
"""Longest wait for a second picture, without which nobody can say that a camera is frozen."""
_FIND_S = 2.0
_MANY = 10_000
_WARM_UP = 5
"""First pictures, which a camera takes while it finds its exposure."""


def look_at_camera(
    values: Mapping[str, Any] | None,
    topic: str,
    listener: TopicListener,
    *,
    best_effort: bool = False,
) -> PicturesSeen:
    """Looks for two seconds.

    Args:
        values: The rig's part `cameras.<name>`, complete; None for pictures that others publish.
        topic: Of its pictures, relative to the rig's namespace.
        listener: In that namespace.
        best_effort: Whether the topic's publisher offers no more (`agent.best_effort_images`).

    Raises:
        CameraError: The device cannot be opened, or falls silent.
        NotHeardError: The topic is published, and nothing of use comes; names the cause.
    """
    if listener.is_published(topic, _FIND_S):
        return _through_topic(topic, listener, qos.IMAGE_OF_OTHERS if best_effort else qos.IMAGE)
    if values is None:
        return PicturesSeen(f"{topic}: nobody publishes it", 0)
    return _through_device(CameraConfig(**values))


def _through_topic(topic: str, listener: TopicListener, profile: QoSProfile) -> PicturesSeen:
    kind = CompressedImage if topic.endswith("/compressed") else Image
    named = f"sensor_msgs/msg/{kind.__name__}"
    publishers = listener.publishers(topic)
    # A subscription of another type beside it would confuse whoever looks at the graph.
    fits = any(each.kind == named for each in publishers)
    listened_s = _LISTEN_S
    received = (
        listener.receive(kind, topic, profile, enough=_MANY, wait_s=_LISTEN_S) if fits else []
    )
    if len(received) == 1:
        start_s = time.monotonic()
        received += listener.receive(kind, topic, profile, enough=1, wait_s=_SECOND_S)
        listened_s += time.monotonic() - start_s
    if not received:
        reliable = profile.reliability is ReliabilityPolicy.RELIABLE
        key = "agent.best_effort_images"
        raise explain_silence(topic, publishers, named, reliable=reliable, best_effort_key=key)
    pictures = [_pixels(message, topic) for _, message in received]
    arrived_s, newest = received[-1]
    # The steady time of the arrival as wall-clock time, in which cameras stamp.
    arrived_ns = time.time_ns() - round(1e9 * (time.monotonic() - arrived_s))
    stamp_ns = newest.header.stamp.sec * 10**9 + newest.header.stamp.nanosec
    if not stamp_ns:
        remedy = "let the driver stamp its pictures with this machine's clock"
        raise NotHeardError(f"the pictures on {topic} have no stamp", remedy)
    seen = _summary(f"topic {topic}", pictures, listened_s, "")
    return dataclasses.replace(seen, ahead_s=1e-9 * (stamp_ns - arrived_ns))


def _pixels(message: Image | CompressedImage, topic: str) -> NDArray[np.uint8]:
    """What the agent would see; raises NotHeardError where it could not use the picture."""
    reading = image_reading(message, 0.0)
    problem = reading.problem
    if isinstance(reading.picture, RawPicture | CompressedPicture):
        try:
            return reading.picture.pixels()
        except ValueError as error:
            problem = str(error)
    remedy = "choose another encoding in the camera driver's settings, or another topic of it"
    raise NotHeardError(f"the picture on {topic} {problem}", remedy)


def _through_device(config: CameraConfig) -> PicturesSeen:
    from tmrl_camera.realsense import RealSenseCamera

    camera = RealSenseCamera(config)
    opened = camera.open()
    try:
        for _ in range(_WARM_UP):
            camera.read()
        start_s, pictures = time.monotonic(), list[NDArray[np.uint8]]()
        while time.monotonic() - start_s < _LISTEN_S:
            pictures.append(camera.read().pixels.copy())
        return _summary(opened.description, pictures, time.monotonic() - start_s, opened.warning)
    finally:
        camera.close()


def _summary(
    through: str, pictures: list[NDArray[np.uint8]], seconds: float, remark: str
) -> PicturesSeen:
    if not pictures:
        return PicturesSeen(through, 0)
    newest = pictures[-1]
    return PicturesSeen(
        through=through,
        count=len(pictures),
        rate_hz=len(pictures) / seconds,
        width_px=newest.shape[1],
        height_px=newest.shape[0],
        changing=any(not np.array_equal(one, newest) for one in pictures[:-1]),
        mean=float(newest.mean()),
        spread=float(newest.std()),
        grey=bool(newest.std() > 0.0 and (newest == newest[..., :1]).all()),
        remark=remark,
    )
