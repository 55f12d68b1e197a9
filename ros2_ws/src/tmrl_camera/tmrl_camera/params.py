"""Parameters of the camera node."""

from dataclasses import dataclass
from math import isfinite

from tmrl_common.errors import ConfigError

_LONGEST_EXPOSURE_US = 1e6


@dataclass(frozen=True)
class CameraConfig:
    """One camera: which one it is, and what it is to send.

    Attributes:
        robot: Name of the arm that the camera looks at.
        camera: Name of the camera, such as wrist; topics camera/<name>/...
        serial: Serial number of the device, as text.
        width_px: Columns of a picture.
        height_px: Rows of a picture.
        rate_hz: Pictures per second.
        exposure_us: Exposure of a picture in microseconds; 0 leaves it to the camera, whose
            pictures then change with the light.
        depth: Whether depth is published too, aligned to the colour picture.
        frame_timeout_s: A camera that sends nothing for longer than this is lost and opened again.
        retry_first_s: Pause before the first try to open a lost camera again; it doubles with each
            further one.
        retry_max_s: Longest such pause.
    """

    robot: str
    camera: str
    serial: str
    width_px: int = 640
    height_px: int = 480
    rate_hz: int = 30
    exposure_us: float = 0.0
    depth: bool = False
    frame_timeout_s: float = 1.0
    retry_first_s: float = 0.5
    retry_max_s: float = 8.0

    def __post_init__(self) -> None:
        """Refuses values that no camera can work with.

        Raises:
            ConfigError: Names the value and what it has to be.
        """
        for name in ("robot", "camera", "serial"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty; set it in the rig's file")
        for name in ("width_px", "height_px", "rate_hz"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it has to be at least 1")
        for name in ("frame_timeout_s", "retry_first_s", "retry_max_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ConfigError(f"{name} is {value}; it has to be a finite number above 0")
        if self.retry_max_s < self.retry_first_s:
            raise ConfigError(
                f"retry_max_s is {self.retry_max_s}; it has to be at least retry_first_s "
                f"({self.retry_first_s})"
            )
        if not 0.0 <= self.exposure_us <= _LONGEST_EXPOSURE_US:
            raise ConfigError(
                f"exposure_us is {self.exposure_us}; it has to be 0 (automatic) or a number of "
                f"microseconds up to {_LONGEST_EXPOSURE_US:.0f}"
            )

    @property
    def frame_id(self) -> str:
        """Optical frame of the pictures: z forward, x right, y down."""
        return f"{self.robot}/{self.camera}"
