"""What a camera is to the node, and the values that it gives. No ROS, no vendor's library."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import TmrlError


class CameraError(TmrlError):
    """A camera is missing, refuses its settings or has fallen silent; the text names the remedy."""


@dataclass(frozen=True)
class Calibration:
    """Pinhole model of a camera, as in sensor_msgs/CameraInfo.

    Attributes:
        width_px: Columns.
        height_px: Rows.
        focal_px: Focal lengths along x and y.
        centre_px: Principal point, x and y.
        model: Name of the distortion model, such as "plumb_bob".
        distortion: Its coefficients.
    """

    width_px: int
    height_px: int
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    model: str
    distortion: tuple[float, ...]


@dataclass(frozen=True)
class Opened:
    """A camera was found and has begun to send.

    Attributes:
        description: What it is, for the log.
        calibration: Of its colour pictures.
        warning: What may go wrong with it; empty for nothing.
    """

    description: str
    calibration: Calibration
    warning: str = ""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        pixels: Shape (height, width, 3), uint8 RGB; memory of the driver, so it is not to be kept.
        age_s: From the exposure to the arrival here; 0 where the device does not tell.
        depth_mm: Shape (height, width), uint16, aligned to `pixels`, 0 where there is none; None
            where no depth was asked for.
    """

    pixels: NDArray[np.uint8]
    age_s: float
    depth_mm: NDArray[np.uint16] | None = None


class Camera(Protocol):
    """One camera. All calls come from one thread."""

    def open(self) -> Opened:
        """Finds the device and starts it.

        Raises:
            CameraError: It is not there, or not able to do what was asked.
        """
        ...

    def read(self) -> Frame:
        """Waits for the next picture.

        Raises:
            CameraError: None came in time.
        """
        ...

    def close(self) -> None:
        """Stops the device; nothing happens where it is not open."""
        ...


_OLDEST_S = 1.0


def plausible_age_s(exposed_s: float, now_s: float) -> float:
    """Age of a frame whose stamp was made by the clock of this machine.

    Args:
        exposed_s: Stamp of the exposure.
        now_s: The same clock, now.

    Returns:
        The difference; 0 where it cannot be, because the clock was set in between.
    """
    age_s = now_s - exposed_s
    return age_s if 0.0 <= age_s <= _OLDEST_S else 0.0
