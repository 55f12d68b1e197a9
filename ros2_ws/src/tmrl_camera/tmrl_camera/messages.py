"""The messages of a camera, made once and filled in place for each frame.

A picture is copied once, through the buffer protocol; a list in the place of the array would have
each of its values checked.
"""

# Generated messages are typed in part only.

import array
import sys

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image

from tmrl_camera.camera import Calibration, Frame
from tmrl_ros.camera_info import fill_camera_info


class FrameMessages:
    """The messages about one frame.

    Attributes:
        image: For camera/<name>/image.
        info: For camera/<name>/camera_info.
        depth: For camera/<name>/depth, filled where the frame has one.
    """

    def __init__(self, frame_id: str) -> None:
        """Fills in what never changes."""
        self.image = Image(encoding="rgb8")
        self.info = CameraInfo()
        self.depth = Image(encoding="16UC1", is_bigendian=int(sys.byteorder == "big"))
        for message in (self.image, self.info, self.depth):
            message.header.frame_id = frame_id

    def calibrate(self, calibration: Calibration) -> None:
        """Makes `info` say how the camera projects."""
        size_px = calibration.width_px, calibration.height_px
        fill_camera_info(
            self.info,
            size_px,
            calibration.focal_px,
            calibration.centre_px,
            calibration.distortion,
            calibration.model,
        )

    def fill(self, frame: Frame, stamp: Time) -> None:
        """Makes the messages say what the camera saw.

        Args:
            frame: Picture, and depth where there is one.
            stamp: ROS time of the exposure.
        """
        for message in (self.image, self.info, self.depth):
            message.header.stamp = stamp
        fill_image(self.image, frame.pixels)
        if frame.depth_mm is not None:
            fill_image(self.depth, frame.depth_mm)


def fill_image(message: Image, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Copies a picture into a message, whose buffer is kept while the size stays the same.

    Args:
        message: Its size and data are overwritten.
        pixels: Shape (height, width) or (height, width, channels), in the message's encoding.
    """
    height, width = pixels.shape[:2]
    if len(message.data) != pixels.nbytes:
        message.data = array.array("B", bytes(pixels.nbytes))
    message.height, message.width, message.step = height, width, pixels.nbytes // height
    buffer = np.frombuffer(message.data, dtype=pixels.dtype)
    np.copyto(buffer.reshape(pixels.shape), pixels)
