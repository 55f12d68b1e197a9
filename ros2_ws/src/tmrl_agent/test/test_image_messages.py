"""ROS images become readings; what cannot be used comes with the reason."""

import array

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.messages import image_reading

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def image(**changes):
    fields = {"height": 2, "width": 4, "step": 12, "encoding": "rgb8"}
    message = Image(**fields | changes)
    message.header.stamp.sec = 7
    message.data = array.array("B", PIXELS.tobytes())
    return message


def test_a_picture_keeps_its_pixels_and_stamp_without_a_copy():
    message = image()
    reading = image_reading(message, received_s=3.0)
    assert (reading.stamp_ns, reading.received_s, reading.problem) == (7_000_000_000, 3.0, "")
    np.testing.assert_array_equal(reading.picture.pixels(), PIXELS)
    assert np.shares_memory(reading.picture.pixels(), np.asarray(message.data))


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (image(encoding="mono8"), "encoding 'mono8'"),
        (image(height=3), "brings 24 bytes; 36 are needed"),
        (Image(encoding="rgb8"), "brings 0 bytes"),
        (CompressedImage(format="theora"), "format 'theora'"),
    ],
)
def test_what_cannot_be_used_comes_with_the_reason(message, sentence):
    reading = image_reading(message, received_s=0.0)
    assert reading.picture is None
    assert sentence in reading.problem


def test_an_empty_file_is_found_out_when_it_is_looked_at():
    reading = image_reading(CompressedImage(format="jpeg"), received_s=0.0)
    with pytest.raises(ValueError, match="cannot be decoded"):
        reading.picture.pixels()
