"""A RealSense without hardware, for tests: the SDK's own `software_device`, fed by a thread.

`python -m tmrl_camera.testing --ros-args ...` runs the camera node on one that has the serial
number and the size which the parameters ask for, as a process that a test may kill.
"""

import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_camera.node import CameraNode
from tmrl_camera.params import CameraConfig
from tmrl_camera.realsense import RealSenseCamera, rs
from tmrl_common.closeable import Closeable
from tmrl_ros.run import run_node

DEPTH_UNIT_M = 0.0001
DEPTH_COUNTS = 12_345
EXPOSURE_RANGE = (1.0, 10_000.0)


class SoftwareCamera(Closeable):
    """A device that sends pictures of a noisy scene. Use as a context manager.

    Args:
        serial: Its serial number.
        width_px: Columns.
        height_px: Rows.
        rate_hz: Pictures per second.
        usb: What it tells about its port.

    Attributes:
        device: The SDK's device.
        plugged: Whether it is found.
        silent: Whether it sends nothing.
    """

    def __init__(
        self,
        serial: str,
        width_px: int = 64,
        height_px: int = 48,
        rate_hz: int = 30,
        usb: str = "3.2",
    ) -> None:
        self.plugged = True
        self.silent = False
        self.device: Any = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, serial)
        self.device.register_info(rs.camera_info.name, "Software RealSense")
        self.device.register_info(rs.camera_info.usb_type_descriptor, usb)
        self._size = width_px, height_px
        self._rate_hz = rate_hz
        self._colour = self.device.add_sensor("RGB Camera")
        self._colour.add_option(rs.option.exposure, _range(*EXPOSURE_RANGE), True)  # noqa: FBT003
        self._depth = self.device.add_sensor("Stereo Module")
        self._depth.add_read_only_option(rs.option.depth_units, DEPTH_UNIT_M)
        self._streams = (
            self._add(self._colour, rs.stream.color, 1, rs.format.rgb8, 3),
            self._add(self._depth, rs.stream.depth, 2, rs.format.z16, 2),
        )
        nowhere = rs.extrinsics()
        nowhere.rotation, nowhere.translation = np.eye(3).reshape(-1).tolist(), [0.0, 0.0, 0.0]
        for one, other in (self._streams, self._streams[::-1]):
            one.register_extrinsics_to(other, nowhere)
        self.device.create_matcher(rs.matchers.default)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def devices(self) -> list[Any]:
        """What is connected."""
        return [self.device] if self.plugged else []

    def exposure(self) -> float:
        """What the exposure was set to, in the sensor's unit."""
        return self._colour.get_option(rs.option.exposure)

    def close(self) -> None:
        """Stops sending."""
        self._stop.set()
        self._thread.join()

    def _add(self, sensor: Any, stream: Any, uid: int, pixel_format: Any, depth_bytes: int) -> Any:
        video, (width, height) = rs.video_stream(), self._size
        video.type, video.uid, video.fmt, video.bpp = stream, uid, pixel_format, depth_bytes
        video.index, video.width, video.height, video.fps = 0, width, height, self._rate_hz
        found = rs.intrinsics()
        found.width, found.height, found.model = width, height, rs.distortion.brown_conrady
        found.fx, found.fy, found.ppx, found.ppy = 60.0, 61.0, width / 2, height / 2
        found.coeffs = [0.1, 0.2, 0.3, 0.4, 0.5]
        video.intrinsics = found
        return sensor.add_video_stream(video)

    def _feed(self) -> None:
        number, (width, height) = 0, self._size
        scene = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        depth = np.full((height, width), DEPTH_COUNTS, dtype=np.uint16)
        colour_stream, depth_stream = self._streams
        while not self._stop.wait(1.0 / self._rate_hz):
            if self.silent:
                continue
            number += 1
            scene[0, 0, 0] = number % 256
            stamp_ms = 1000.0 * time.time()
            self._colour.on_video_frame(_frame(colour_stream, number, stamp_ms, scene))
            self._depth.on_video_frame(_frame(depth_stream, number, stamp_ms, depth))


def _range(lowest: float, highest: float) -> Any:
    limits = rs.option_range()
    limits.min, limits.max, limits.default, limits.step = lowest, highest, lowest, 1.0
    return limits


def _frame(
    stream: Any, number: int, stamp_ms: float, pixels: NDArray[np.uint8] | NDArray[np.uint16]
) -> Any:
    frame = rs.software_video_frame()
    frame.pixels = pixels
    frame.stride = pixels.nbytes // pixels.shape[0]
    frame.bpp = frame.stride // pixels.shape[1]
    frame.timestamp, frame.domain = stamp_ms, rs.timestamp_domain.global_time
    frame.frame_number, frame.depth_units = number, DEPTH_UNIT_M
    frame.profile = stream.as_video_stream_profile()
    return frame


def main() -> int:
    """Runs the camera node on the device that its parameters describe; returns the exit code."""
    with ExitStack() as made:

        def make_camera(config: CameraConfig) -> RealSenseCamera:
            size = config.width_px, config.height_px
            device = made.enter_context(SoftwareCamera(config.serial, *size, config.rate_hz))
            return RealSenseCamera(config, device.devices)

        return run_node(lambda: CameraNode(make_camera))


if __name__ == "__main__":
    sys.exit(main())
