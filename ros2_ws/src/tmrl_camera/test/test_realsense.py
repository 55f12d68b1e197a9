"""RealSense cameras through the real SDK, on its software device."""

import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the environment: ./tmrl run pytest")

from tmrl_camera.camera import CameraError, plausible_age_s
from tmrl_camera.params import CameraConfig
from tmrl_camera.realsense import RealSenseCamera, connected_devices
from tmrl_camera.testing import DEPTH_COUNTS, DEPTH_UNIT_M, SoftwareCamera

SERIAL = "0123456789"
GIVEN = {"robot": "widowx", "camera": "wrist", "serial": SERIAL, "width_px": 64, "height_px": 48}


@pytest.fixture
def device():
    with SoftwareCamera(SERIAL) as made:
        yield made


@pytest.fixture
def camera(device):
    made = []

    def make(**changes):
        made.append(RealSenseCamera(CameraConfig(**GIVEN | changes), device.devices))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_pictures_come_with_their_calibration_and_age(camera):
    began_s = time.monotonic()
    opened = (wrist := camera()).open()
    assert SERIAL in opened.description
    assert opened.warning == ""
    found = opened.calibration
    assert (found.width_px, found.height_px) == (64, 48)
    assert (found.focal_px, found.centre_px) == ((60.0, 61.0), (32.0, 24.0))
    assert found.model == "plumb_bob"
    assert found.distortion == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.5))
    frames = [wrist.read() for _ in range(5)]
    expected = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for frame in frames:
        assert (frame.pixels.shape, frame.pixels.dtype) == ((48, 64, 3), np.uint8)
        np.testing.assert_array_equal(frame.pixels[1:], expected[1:])
        assert 0.0 <= frame.age_s <= time.monotonic() - began_s
        assert frame.depth_mm is None
    numbers = [int(frame.pixels[0, 0, 0]) for frame in frames]
    # The device counts its pictures modulo 256.
    forward = [(later - earlier) % 256 for earlier, later in pairwise(numbers)]
    assert all(0 < gap < 128 for gap in forward), "each picture once, and its memory its own"


def test_depth_is_in_millimetres_whatever_the_device_counts_in(camera):
    wrist = camera(depth=True)
    wrist.open()
    depth_mm = wrist.read().depth_mm
    assert (depth_mm.shape, depth_mm.dtype) == ((48, 64), np.uint16)
    assert np.median(depth_mm) == round(1000 * DEPTH_COUNTS * DEPTH_UNIT_M)


def test_a_missing_serial_number_is_named_with_those_that_are_there(camera, device):
    with pytest.raises(CameraError, match=rf"number 999; connected: {SERIAL} \(Software"):
        camera(serial="999").open()
    device.plugged = False
    with pytest.raises(CameraError, match=rf"number {SERIAL}; connected: none"):
        camera().open()


def test_a_resolution_that_it_does_not_have_is_refused_with_those_it_has(camera):
    with pytest.raises(CameraError, match=r"640 x 480 at 30 Hz.*offers: 64 x 48 at 30 Hz"):
        camera(width_px=640, height_px=480).open()


def test_a_camera_in_use_is_said_to_be_so(camera):
    camera().open()
    with pytest.raises(CameraError, match="another program"):
        camera().open()


def test_a_camera_that_falls_silent_can_be_opened_again(camera, device):
    wrist = camera(frame_timeout_s=1.0)
    wrist.open()
    wrist.read()
    device.silent = True
    with pytest.raises(CameraError, match=rf"{SERIAL} sent nothing for 1 s"):
        for _ in range(100):
            wrist.read()
    wrist.close()
    device.silent = False
    wrist.open()
    assert wrist.read().pixels.shape == (48, 64, 3)


def test_exposure_is_set_in_the_unit_of_the_sensor_and_checked(camera, device):
    camera(exposure_us=8000.0).open()
    assert device.exposure() == 80.0
    with pytest.raises(CameraError, match="takes 100 to 1e"):
        camera(exposure_us=20.0).open()


def test_a_slow_port_is_warned_of():
    with SoftwareCamera(SERIAL, usb="2.1") as device:
        camera = RealSenseCamera(CameraConfig(**GIVEN), device.devices)
        assert "hangs on USB 2.1" in camera.open().warning
        camera.close()


@pytest.mark.ros
@pytest.mark.usefixtures("ros_domain_id")
def test_the_sdk_does_not_take_the_place_of_the_dds_library_of_ros():
    """The wheel holds another version of the same library; see the module's docstring."""
    code = (
        "import tmrl_camera.realsense, rclpy; rclpy.init(); node = rclpy.create_node('camera');"
        "tmrl_camera.realsense.connected_devices(); node.destroy_node(); rclpy.shutdown()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_machine_without_cameras_has_none():
    assert connected_devices() == []


@pytest.mark.parametrize(("age_s", "told_s"), [(0.03, 0.03), (-0.01, 0.0), (3600.0, 0.0)])
def test_a_clock_that_was_set_makes_no_ages(age_s, told_s):
    now_s = time.time()
    assert plausible_age_s(now_s - age_s, now_s) == pytest.approx(told_s, abs=1e-6)
