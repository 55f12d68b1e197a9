"""Pictures as cameras send them, and as the policy takes them.

A picture is kept as it came and turned into pixels only when an observation is made of it: most
frames of a camera are never looked at.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tmrl_agent.encodings import ENCODINGS
from tmrl_common.config import nearest_name

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""

_COMPRESSIONS = {"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG"}


@dataclass(frozen=True)
class RawPicture:
    """The content of a sensor_msgs/Image.

    Attributes:
        encoding: One of `encodings.ENCODINGS`.
        height_px: Rows.
        width_px: Columns.
        step: Bytes of a row, with what fills it up.
        content: All rows, shape (height_px * step,), uint8.
    """

    encoding: str
    height_px: int
    width_px: int
    step: int
    content: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuses what cannot be read as pixels.

        Raises:
            ValueError: Names encoding or sizes, and what they must be.
        """
        if self.encoding not in ENCODINGS:
            raise ValueError(
                f"has the encoding '{self.encoding}'; the policy needs colour. "
                f"{nearest_name(self.encoding, list(ENCODINGS))}. "
                "Choose it in the camera driver's settings, or another topic of it"
            )
        rows, columns = self.height_px, self.width_px
        encoding = ENCODINGS[self.encoding]
        row_bytes = encoding.pixel_bytes * columns
        fits = self.step >= row_bytes and self.content.size == rows * self.step
        if not (rows > 0 and columns > 0 and fits):
            raise ValueError(
                f"claims {columns} x {rows} pixels in rows of {self.step} bytes and brings "
                f"{self.content.size} bytes; {row_bytes * rows} are needed. "
                "The camera driver is broken"
            )
        if rows % encoding.block_px or columns % encoding.block_px:
            raise ValueError(
                f"claims {columns} x {rows} pixels in '{self.encoding}', which has its pixels in "
                f"blocks of {encoding.block_px}. The camera driver is broken"
            )

    def pixels(self) -> Pixels:
        """The picture in RGB; a view of the message where nothing needs to be moved."""
        encoding = ENCODINGS[self.encoding]
        rows = self.content.reshape(self.height_px, self.step)
        return np.ascontiguousarray(
            encoding.to_rgb(rows[:, : encoding.pixel_bytes * self.width_px])
        )


@dataclass(frozen=True)
class CompressedPicture:
    """The content of a sensor_msgs/CompressedImage.

    Attributes:
        compression: Its field `format`, such as "jpeg" or "rgb8; jpeg compressed bgr8".
        content: The file, shape (bytes,), uint8.
    """

    compression: str
    content: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuses what is neither JPEG nor PNG.

        Raises:
            ValueError: Names the format and the valid ones.
        """
        if self._file_format is None:
            raise ValueError(
                f"has the format '{self.compression}'; the policy needs a JPEG or PNG of a colour "
                "picture. Subscribe to the colour camera's topic .../compressed"
            )

    @property
    def _file_format(self) -> str | None:
        known = (form for name, form in _COMPRESSIONS.items() if name in self.compression.lower())
        return None if "compressedDepth" in self.compression else next(known, None)

    def pixels(self) -> Pixels:
        """The decoded picture in RGB.

        Raises:
            ValueError: The file is broken.
        """
        # Whatever the order of channels was before, a JPEG or PNG file says itself what it holds.
        try:
            with Image.open(
                io.BytesIO(self.content.data), formats=[str(self._file_format)]
            ) as file:
                return np.asarray(file.convert("RGB"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"cannot be decoded: {error}") from error


Picture = RawPicture | CompressedPicture


def same_content(one: Picture, other: Picture) -> bool:
    """Whether two pictures are equal to the last bit, which no two of a living sensor are."""
    return np.array_equal(one.content, other.content)


def capped(pixels: Pixels, longest_side_px: int) -> Pixels:
    """The picture, made smaller where a side is longer; its proportions stay.

    The filter and the rounding are those with which the pi0 server brings pictures to its own size:
    capped to that size here, it gets exactly the pixels that it would have made itself.

    Args:
        pixels: Shape (height, width, 3).
        longest_side_px: Largest height and width.
    """
    height, width, _ = pixels.shape
    ratio = max(height, width) / longest_side_px
    if ratio <= 1.0:
        return pixels
    size = max(1, int(width / ratio)), max(1, int(height / ratio))
    return np.asarray(Image.fromarray(pixels).resize(size, resample=Image.Resampling.BILINEAR))


def is_black(pixels: Pixels, below: float) -> bool:
    """Whether a picture shows nothing: both its mean and its spread lie below a limit.

    Args:
        pixels: Shape (height, width, 3).
        below: Limit of the mean and of the standard deviation, in steps of 0 to 255.
    """
    # A picture that is black everywhere is so in every eighth row and column.
    sample = pixels[::8, ::8]
    return float(sample.mean()) < below and float(sample.std()) < below
