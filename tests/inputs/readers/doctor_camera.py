"""A camera's topic as the doctor hears it.

`given` describes the publisher: `kind`, `reliable`, `topic`, `best_effort` (the rig's own setting);
and its pictures: `encoding`, `file` (format of a compressed one), `grey`, `black`, `ahead_s`,
`frozen`, `count`.
"""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from sensor_msgs.msg import CompressedImage, Image

from tmrl_doctor import cameras
from tmrl_doctor.camera_probe import look_at_camera
from tmrl_doctor.finding import Finding, Level, failed
from tmrl_doctor.hearing import NotHeardError, Publisher

from ..reading import Answer, Outcome

_HEIGHT_PX, _WIDTH_PX = 12, 16
_OUTCOMES = {
    Level.GOOD: Outcome.TAKEN,
    Level.WARNING: Outcome.WARNED,
    Level.FAILED: Outcome.REFUSED,
}


class _Listener:
    """Hears one publisher as a TopicListener would."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    def is_published(self, topic: str, wait_s: float) -> bool:
        """Whether there is a publisher at all."""
        return bool(self._given.get("published", True))

    def publishers(self, topic: str) -> list[Publisher]:
        """The one."""
        kind = self._given.get("kind", "sensor_msgs/msg/Image")
        return [Publisher("/lab/camera", kind, bool(self._given.get("reliable", True)))]

    def receive(
        self, kind: Any, topic: str, profile: Any, *, enough: int, wait_s: float
    ) -> list[tuple[float, Any]]:
        """Pictures, where the quality of service matches."""
        offered, demanded = self.publishers(topic)[0].reliable, profile.reliability.name
        if not offered and demanded == "RELIABLE":
            return []
        count = int(self._given.get("count", 60))
        return [(time.monotonic(), _message(kind, self._given, n)) for n in range(count)]


def read(given: dict[str, Any], folder: Path) -> Answer:
    """What the doctor thinks of it."""
    topic = str(given.get("topic", "camera/front/image"))
    listener: Any = _Listener(given)
    try:
        seen = look_at_camera(
            None, topic, listener, best_effort=bool(given.get("best_effort", False))
        )
        finding: Finding = cameras.judge_camera(seen, float(given.get("rate_hz", 0.0)))
    except NotHeardError as error:
        finding = failed(str(error), error.remedy)
    return Answer(_OUTCOMES[finding.level], f"{finding.detail}; {finding.remedy}")


def _message(kind: type, given: dict[str, Any], number: int) -> Any:
    random = np.random.default_rng(0 if given.get("frozen") else number)
    pixels = random.integers(0, 255, (_HEIGHT_PX, _WIDTH_PX, 3), dtype=np.uint8)
    if given.get("grey"):
        pixels[...] = pixels[..., :1]
    if given.get("black"):
        pixels //= 64
    message: Any = kind()
    stamp_ns = time.time_ns() + round(1e9 * float(given.get("ahead_s", 0.0)))
    if not given.get("no_stamp"):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    if isinstance(message, CompressedImage):
        _compress(message, pixels, given)
    elif isinstance(message, Image):
        message.encoding = str(given.get("encoding", "rgb8"))
        message.height, message.width, message.step = _HEIGHT_PX, _WIDTH_PX, 3 * _WIDTH_PX
        message.data = pixels.tobytes()[: given.get("bytes")]
    return message


def _compress(message: CompressedImage, pixels: Any, given: dict[str, Any]) -> None:
    file = io.BytesIO()
    single = pixels[..., 0] if given.get("grey") else pixels
    Pillow.fromarray(single).save(file, format=str(given.get("file", "jpeg")))
    message.format = str(given.get("format", given.get("file", "jpeg")))
    message.data = file.getvalue()[: given.get("bytes")]
