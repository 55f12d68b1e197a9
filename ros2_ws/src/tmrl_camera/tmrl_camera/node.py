"""The ROS shell of one camera: converts what is captured, and publishes it."""

import sys
from collections.abc import Callable

from rclpy.duration import Duration
from sensor_msgs.msg import CameraInfo, Image

from tmrl_camera.camera import Camera, CameraError, Frame, Opened
from tmrl_camera.capture import Capture, CaptureThread, Event
from tmrl_camera.messages import FrameMessages
from tmrl_camera.params import CameraConfig
from tmrl_camera.rate import RateMeter
from tmrl_common.clock import SteadyClock
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

_CHECK_PERIOD_S = 0.5


def realsense(config: CameraConfig) -> Camera:
    """The RealSense camera of that serial number.

    Raises:
        CameraError: The vendor's library cannot be loaded.
    """
    try:
        from tmrl_camera.realsense import RealSenseCamera
    except ImportError as error:
        raise CameraError(
            f"pyrealsense2 cannot be loaded ({error}); run ./tmrl setup, it installs the library "
            "and the system package libusb-1.0-0"
        ) from error
    return RealSenseCamera(config)


class CameraNode(TmrlNode[CameraConfig]):
    """Publishes the pictures of one camera, and tells when they stop."""

    def __init__(self, make_camera: Callable[[CameraConfig], Camera] = realsense) -> None:
        """Starts to look for the camera; it may come later.

        Args:
            make_camera: Makes the camera that a configuration describes.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            CameraError: The vendor's library cannot be loaded.
        """
        super().__init__("camera", CameraConfig)
        config = self.config
        prefix = f"camera/{config.camera}"
        self._image = self.create_publisher(Image, f"{prefix}/image", qos.IMAGE)
        self._info = self.create_publisher(CameraInfo, f"{prefix}/camera_info", qos.IMAGE)
        self._depth = self.create_publisher(Image, f"{prefix}/depth", qos.IMAGE)
        self._messages = FrameMessages(config.frame_id)
        self._rate = RateMeter(SteadyClock())
        self._problem = f"camera {config.serial} has not been opened yet"
        self._figures = {"serial": config.serial}
        retry = config.retry_first_s, config.retry_max_s
        self._thread = CaptureThread(Capture(make_camera(config), *retry), self._on_event)
        self.create_timer(_CHECK_PERIOD_S, self._thread.check, clock=self.wall_clock)
        self._thread.start()

    def health(self) -> tuple[str, dict[str, str]]:
        """Why there are no pictures, and how many come."""
        return self._problem, self._figures | {"rate_hz": f"{self._rate.take_hz():.1f}"}

    def destroy_node(self) -> None:
        """Stops the camera, then the node."""
        self._thread.close()
        super().destroy_node()

    def _on_event(self, event: Event) -> None:
        """Runs in the capturing thread: publishing there saves a frame the way through a queue."""
        if isinstance(event, Frame):
            self._publish(event)
        elif isinstance(event, Opened):
            self.get_logger().info(f"opened {event.description}")
            if event.warning:
                self.get_logger().warning(event.warning)
            self._messages.calibrate(event.calibration)
            self._figures = {"device": event.description, "warning": event.warning}
        else:
            self._problem = event.problem
            self.get_logger().error(event.problem)

    def _publish(self, frame: Frame) -> None:
        exposed = self.get_clock().now() - Duration(nanoseconds=round(1e9 * frame.age_s))
        messages = self._messages
        messages.fill(frame, exposed.to_msg())
        self._image.publish(messages.image)
        self._info.publish(messages.info)
        if frame.depth_mm is not None:
            self._depth.publish(messages.depth)
        self._rate.count()
        self._problem = ""


def main() -> None:
    """Runs the node until it is asked to stop."""
    sys.exit(run_node(CameraNode))
