"""Parameters of the camera node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, Range, check_fields
from tmrl_common.errors import ConfigError

TimeS = Annotated[float, Range(0.0, 600.0, above=True, unit="s")]
Pixels = Annotated[int, Range(1, 8192)]


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

    robot: Annotated[str, NotEmpty("widowx")]
    camera: Annotated[str, NotEmpty("wrist")]
    serial: Annotated[str, NotEmpty("'123456789012'")]
    width_px: Pixels = 640
    height_px: Pixels = 480
    rate_hz: Annotated[int, Range(1, 300)] = 30
    exposure_us: Annotated[float, Range(0.0, 1e6)] = 0.0
    depth: bool = False
    frame_timeout_s: Annotated[float, Range(0.0, 30.0, above=True, unit="s")] = 1.0
    retry_first_s: TimeS = 0.5
    retry_max_s: TimeS = 8.0

    def __post_init__(self) -> None:
        """Refuses values that no camera can work with.

        Raises:
            ConfigError: Names the value and what it must be.
        """
        check_fields(self)
        if self.retry_max_s < self.retry_first_s:
            raise ConfigError(
                f"retry_max_s is {self.retry_max_s}; it must be at least retry_first_s "
                f"({self.retry_first_s})"
            )

    @property
    def frame_id(self) -> str:
        """Optical frame of the pictures: z forward, x right, y down."""
        return f"{self.robot}/{self.camera}"
