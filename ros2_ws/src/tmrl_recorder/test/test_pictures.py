"""Pictures as JPEG: what cameras send, and what none should."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from sensor_msgs.msg import Image

from tmrl_recorder.pictures import jpeg_of

RED = (240, 30, 30)


def image(encoding: str, pixels: np.ndarray, padding: int = 0) -> Image:
    rows = [row.tobytes() + bytes(padding) for row in pixels]
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, step=len(rows[0]), encoding=encoding)
    message.data = b"".join(rows)
    message.header.frame_id = "widowx/wrist"
    message.header.stamp.sec = 7
    return message


def pixels_of(jpeg) -> np.ndarray:
    with Pillow.open(io.BytesIO(bytes(jpeg.data))) as picture:
        return np.array(picture).astype(int)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
@pytest.mark.parametrize("padding", [0, 5])
def test_colours_stay_in_their_place(encoding: str, padding: int) -> None:
    colour = RED if encoding == "rgb8" else RED[::-1]
    found = jpeg_of(image(encoding, np.full((16, 24, 3), colour, np.uint8), padding), 90)
    assert abs(pixels_of(found) - RED).max() < 12
    assert (found.header.frame_id, found.header.stamp.sec) == ("widowx/wrist", 7)
    assert "jpeg" in found.format


def test_grey_stays_grey() -> None:
    found = jpeg_of(image("mono8", np.full((16, 24), 99, np.uint8)), 90)
    assert pixels_of(found).shape == (16, 24)


@pytest.mark.parametrize(
    ("encoding", "change"),
    [
        ("16UC1", {}),
        ("nonsense", {}),
        ("rgb8", {"height": 0}),
        ("rgb8", {"width": 1000}),
        ("rgb8", {"height": 99}),
        ("rgb8", {"data": b""}),
    ],
)
def test_what_is_no_picture_is_none(encoding: str, change: dict) -> None:
    message = image(encoding, np.zeros((16, 24, 3), np.uint8))
    for name, value in change.items():
        setattr(message, name, value)
    assert jpeg_of(message, 85) is None
