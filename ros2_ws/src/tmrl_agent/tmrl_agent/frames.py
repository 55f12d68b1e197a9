"""What each camera has sent, and whether a policy may look at it.

A camera that stopped is seen by the age of its newest picture. One that keeps sending the same
picture is not: only its content tells. Nor is one in front of which somebody left the cap.
"""

from dataclasses import dataclass

from tmrl_agent.images import Picture, Pixels, capped, is_black, same_content
from tmrl_agent.params import AgentConfig


@dataclass(frozen=True)
class ImageReading:
    """One picture of a camera.

    Attributes:
        stamp_ns: ROS time of the exposure.
        received_s: Steady time of its arrival.
        picture: None where it cannot be used.
        problem: Why it cannot be used: the end of a sentence that begins with the topic.
    """

    stamp_ns: int
    received_s: float
    picture: Picture | None
    problem: str = ""


@dataclass(frozen=True)
class Glance:
    """What a camera showed at some instant.

    Attributes:
        reading: The newest picture by then; None before the first.
        changed_s: Steady time since which its pictures had been the same.
    """

    reading: ImageReading | None
    changed_s: float


class CameraWatch:
    """Keeps the newest picture of one camera and judges it.

    Args:
        source: Names topic and camera in sentences.
        config: The limits.
    """

    def __init__(self, source: str, config: AgentConfig) -> None:
        self._source = source
        self._config = config
        self._newest: ImageReading | None = None
        self._changed_s = 0.0
        self._pixels: Pixels | None = None
        self._pixels_of: Picture | None = None

    @property
    def glance(self) -> Glance:
        """What it shows now."""
        return Glance(self._newest, self._changed_s)

    def take(self, reading: ImageReading) -> None:
        """Takes a picture."""
        before, self._newest = self._newest, reading
        known = before.picture if before else None
        if known is None or reading.picture is None or not same_content(known, reading.picture):
            self._changed_s = reading.received_s
            self._pixels = None
        elif self._pixels_of is known:
            # The same content needs no decoding again.
            self._pixels_of = reading.picture

    def problem(self, glance: Glance, now_s: float) -> str:
        """What is wrong with a picture; empty where nothing is.

        Args:
            glance: The picture.
            now_s: Steady time at which it was the newest.
        """
        reading = glance.reading
        if reading is None:
            return f"no {self._source} has arrived; is its source alive?"
        if reading.picture is None:
            return f"{self._source} {reading.problem}"
        return self._frozen(now_s - glance.changed_s) or self._black(reading)

    def pixels(self, reading: ImageReading) -> Pixels:
        """A picture as the policy gets it, at most `max_image_px` long and wide.

        Raises:
            ValueError: It cannot be decoded.
        """
        if reading.picture is None:
            raise ValueError("there is no usable picture")
        if self._pixels is None or self._pixels_of is not reading.picture:
            self._pixels = capped(reading.picture.pixels(), self._config.max_image_px)
            self._pixels_of = reading.picture
        return self._pixels

    def _frozen(self, same_s: float) -> str:
        # In lock-step a still world repeats itself rightly, and its stamps prove that it is new.
        limit_s = self._config.frozen_after_s
        if self._config.lock_step or limit_s == 0.0 or same_s <= limit_s:
            return ""
        return (
            f"{self._source} is frozen: every picture of the last {same_s:.1f} s is the same to "
            f"the last bit, the limit is {limit_s:.1f} s; restart the camera. A simulated one "
            "repeats a still scene: there, set frozen_after_s to 0"
        )

    def _black(self, reading: ImageReading) -> str:
        limit = self._config.black_below
        try:
            black = is_black(self.pixels(reading), limit)
        except ValueError as error:
            return f"{self._source} {error}"
        if not black:
            return ""
        return (
            f"{self._source} is black: mean and spread of its pixels are below {limit:g} of 255; "
            "look for a cap, a cloth, light that is off, or an exposure that is too short"
        )
