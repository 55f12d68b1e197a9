"""What is in a frame is in its messages, and their memory is used again."""

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs the environment: ./tmrl run pytest")

from builtin_interfaces.msg import Time

from tmrl_camera.camera import Calibration, Frame
from tmrl_camera.messages import FrameMessages
from tmrl_camera.rate import RateMeter
from tmrl_common.testing import FakeClock

RNG = np.random.default_rng(0)


def test_each_frame_replaces_the_one_before_in_the_same_memory():
    messages = FrameMessages("widowx/wrist")
    for number in range(3):
        pixels = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        messages.fill(Frame(pixels, 0.0), Time(sec=number))
        image = messages.image
        assert image.data.tobytes() == pixels.tobytes()
        assert (image.height, image.width, image.step, image.encoding) == (4, 6, 18, "rgb8")
        assert image.header.stamp.sec == messages.info.header.stamp.sec == number
        assert image.header.frame_id == messages.info.header.frame_id == "widowx/wrist"
        if number == 0:
            first = image.data
        assert image.data is first


def test_another_size_and_rows_that_are_apart_in_memory_are_taken_as_well():
    messages = FrameMessages("widowx/wrist")
    for pixels in (
        RNG.integers(0, 256, (s, s + 1, 6), dtype=np.uint8)[..., ::2] for s in (3, 5, 2)
    ):
        messages.fill(Frame(pixels, 0.0), Time())
        assert messages.image.data.tobytes() == pixels.tobytes()
        assert (messages.image.height, messages.image.width) == pixels.shape[:2]


def test_two_sizes_of_as_many_pixels_are_not_mixed_up():
    messages = FrameMessages("widowx/wrist")
    for shape in ((4, 6, 3), (6, 4, 3)):
        messages.fill(Frame(np.zeros(shape, dtype=np.uint8), 0.0), Time())
        assert (messages.image.height, messages.image.width) == shape[:2]
        assert messages.image.step == 3 * shape[1]


def test_depth_is_sixteen_bits_a_pixel():
    messages = FrameMessages("widowx/wrist")
    depth = RNG.integers(0, 65536, (4, 6), dtype=np.uint16)
    messages.fill(Frame(np.zeros((4, 6, 3), dtype=np.uint8), 0.0, depth), Time())
    assert (messages.depth.encoding, messages.depth.step) == ("16UC1", 12)
    np.testing.assert_array_equal(
        np.frombuffer(messages.depth.data, dtype=np.uint16).reshape(4, 6), depth
    )


def test_the_calibration_is_that_of_a_pinhole():
    messages = FrameMessages("widowx/wrist")
    messages.calibrate(Calibration(6, 4, (60.0, 61.0), (3.0, 2.0), "plumb_bob", (0.1, 0.2)))
    info = messages.info
    assert (info.width, info.height, info.distortion_model) == (6, 4, "plumb_bob")
    assert list(info.k) == [60.0, 0.0, 3.0, 0.0, 61.0, 2.0, 0.0, 0.0, 1.0]
    assert list(info.d) == [0.1, 0.2]
    assert list(info.p) == [60.0, 0.0, 3.0, 0.0, 0.0, 61.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_the_rate_is_that_since_the_last_look():
    clock = FakeClock()
    meter = RateMeter(clock)
    for _ in range(30):
        meter.count()
    clock.advance(2.0)
    assert meter.take_hz() == 15.0
    assert meter.take_hz() == 0.0
