"""Pictures as camera drivers publish them, read as the agent reads them.

`given` names the encoding, and what else is otherwise than in a good message:

    encoding: bgra8
    padding: 16           # bytes at the end of each row
    width: 7              # that the message claims
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_agent.images import RawPicture

from ..reading import Answer, Outcome

_HEIGHT, _WIDTH = 12, 16
_COLOURS = ((200, 40, 60), (30, 160, 90))
"""Left and right half of the picture, RGB."""
_TOLERANCE = 3
_BAYER = {"rggb": "RGGB", "grbg": "GRBG", "gbrg": "GBRG", "bggr": "BGGR"}


def read(given: dict[str, Any], folder: Path) -> Answer:
    """Whether the picture is read, and with its own colours."""
    del folder
    encoding = given["encoding"]
    picture = np.zeros((_HEIGHT, _WIDTH, 3), dtype=np.uint8)
    picture[:, : _WIDTH // 2], picture[:, _WIDTH // 2 :] = _COLOURS
    rows = np.pad(_rows(encoding, picture), ((0, 0), (0, given.get("padding", 0))))
    try:
        pixels = RawPicture(
            encoding, _HEIGHT, given.get("width", _WIDTH), rows.shape[1], rows.reshape(-1)
        ).pixels()
    except ValueError as error:
        return Answer(Outcome.REFUSED, str(error))
    # Where the halves meet, a sensor with one colour for each pixel mixes them.
    inside = [0, 1, 2, -3, -2, -1]
    off = np.abs(pixels[:, inside].astype(int) - picture[:, inside]).max()
    return Answer(Outcome.TAKEN, "its colours" if off <= _TOLERANCE else f"OTHER COLOURS ({off})")


def _rows(encoding: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The rows of a message, written here by the definition of each encoding."""
    height = picture.shape[0]
    opaque = np.full((*picture.shape[:2], 1), 255, dtype=np.uint8)
    if encoding in ("bgr8", "bgra8", "8UC4"):
        picture = picture[..., ::-1]
    if encoding in ("rgba8", "bgra8", "8UC4"):
        picture = np.concatenate((picture, opaque), axis=2)
    if encoding in ("yuv422", "uyvy", "yuyv", "yuv422_yuy2"):
        return _yuv(picture, brightness_first=encoding in ("yuyv", "yuv422_yuy2"))
    if encoding.startswith("bayer_") and encoding.endswith("8"):
        block = _BAYER[encoding.removeprefix("bayer_").removesuffix("8")]
        mosaic = np.zeros(picture.shape[:2], dtype=np.uint8)
        for place, colour in enumerate(block):
            row, column = divmod(place, 2)
            mosaic[row::2, column::2] = picture[row::2, column::2, "RGB".index(colour)]
        return mosaic
    return picture.reshape(height, -1)


def _yuv(picture: NDArray[np.uint8], *, brightness_first: bool) -> NDArray[np.uint8]:
    red, green, blue = np.moveaxis(picture.astype(float) / 255.0, -1, 0)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - y) / 1.772, (red - y) / 1.402
    bright = np.rint(16.0 + 219.0 * y)
    colour = np.empty_like(bright)
    colour[:, ::2], colour[:, 1::2] = np.rint(128 + 224 * u[:, ::2]), np.rint(128 + 224 * v[:, ::2])
    pair = (bright, colour) if brightness_first else (colour, bright)
    return np.stack(pair, axis=-1).reshape(picture.shape[0], -1).astype(np.uint8)
