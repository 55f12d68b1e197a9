"""Encodings of sensor_msgs/Image that are turned into RGB: what drivers of common cameras send."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


class Encoding(NamedTuple):
    """How the pixels of a picture lie in its rows.

    Attributes:
        pixel_bytes: Bytes of a pixel.
        block_px: Width and height are multiples of this.
        to_rgb: Rows of shape (height, width * pixel_bytes) to pixels (height, width, 3), RGB.
    """

    pixel_bytes: int
    block_px: int
    to_rgb: Callable[[Bytes], Bytes]


def _channels(count: int, order: slice, rows: Bytes) -> Bytes:
    """Interleaved channels of which the first three are colours; a view where they are RGB."""
    return rows.reshape(rows.shape[0], -1, count)[..., :3][..., order]


def _yuv422(brightness_at: int, rows: Bytes) -> Bytes:
    """Two pixels in four bytes that share their colour; ITU-R BT.601, as video has it.

    Args:
        brightness_at: Place of the first pixel's brightness in the four bytes: 0 or 1.
        rows: Shape (height, 2 * width).
    """
    fours = rows.reshape(rows.shape[0], -1, 4).astype(np.float32)
    y = (fours[..., brightness_at::2].reshape(rows.shape[0], -1) - 16.0) * (255.0 / 219.0)
    u, v = (
        np.repeat(fours[..., 1 - brightness_at + place] - 128.0, 2, axis=1) * (255.0 / 224.0)
        for place in (0, 2)
    )
    rgb = np.stack((y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u), axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _bayer(red_at: tuple[int, int], rows: Bytes) -> Bytes:
    """One colour for each pixel; the other two are the means of the nearest that have them.

    Args:
        red_at: Row and column, 0 or 1 each, of the red pixel in a block of two by two.
        rows: Shape (height, width).
    """
    (red_row, red_column), wide = red_at, rows.astype(np.uint16)
    red, green, blue = (np.zeros_like(wide) for _ in range(3))
    red[red_row::2, red_column::2] = wide[red_row::2, red_column::2]
    blue[1 - red_row :: 2, 1 - red_column :: 2] = wide[1 - red_row :: 2, 1 - red_column :: 2]
    for row, column in ((red_row, 1 - red_column), (1 - red_row, red_column)):
        green[row::2, column::2] = wide[row::2, column::2]
    filled = (_spread(red), _cross(green), _spread(blue))
    return np.stack([(plane // 4).astype(np.uint8) for plane in filled], axis=-1)


def _spread(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Four times the means of a colour that every fourth pixel has."""
    around = np.pad(plane, 1, mode="reflect")
    rows = around[:-2] + 2 * around[1:-1] + around[2:]
    return rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]


def _cross(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Four times the means of a colour that every second pixel has."""
    around = np.pad(plane, 1, mode="reflect")
    beside = around[1:-1, :-2] + around[1:-1, 2:] + around[:-2, 1:-1] + around[2:, 1:-1]
    return 4 * plane + beside


_AS_IT_IS, _REVERSED = slice(None), slice(None, None, -1)
_UYVY = Encoding(2, 2, partial(_yuv422, 1))
_YUYV = Encoding(2, 2, partial(_yuv422, 0))

ENCODINGS: dict[str, Encoding] = {
    "rgb8": Encoding(3, 1, partial(_channels, 3, _AS_IT_IS)),
    "8UC3": Encoding(3, 1, partial(_channels, 3, _AS_IT_IS)),
    "bgr8": Encoding(3, 1, partial(_channels, 3, _REVERSED)),
    "rgba8": Encoding(4, 1, partial(_channels, 4, _AS_IT_IS)),
    "bgra8": Encoding(4, 1, partial(_channels, 4, _REVERSED)),
    # Blue first: whoever publishes four nameless channels has them from OpenCV.
    "8UC4": Encoding(4, 1, partial(_channels, 4, _REVERSED)),
    "uyvy": _UYVY,
    "yuv422": _UYVY,
    "yuyv": _YUYV,
    "yuv422_yuy2": _YUYV,
    "bayer_rggb8": Encoding(1, 2, partial(_bayer, (0, 0))),
    "bayer_grbg8": Encoding(1, 2, partial(_bayer, (0, 1))),
    "bayer_gbrg8": Encoding(1, 2, partial(_bayer, (1, 0))),
    "bayer_bggr8": Encoding(1, 2, partial(_bayer, (1, 1))),
}
"""Encoding as ROS names it -> how it is read."""
