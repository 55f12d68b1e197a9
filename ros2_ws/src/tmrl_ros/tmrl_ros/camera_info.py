"""How a camera projects, as a message."""

import array
from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import CameraInfo


def fill_camera_info(
    message: CameraInfo,
    size_px: tuple[int, int],
    focal_px: tuple[float, float],
    centre_px: tuple[float, float],
    distortion: Sequence[float] = (0.0,) * 5,
    model: str = "plumb_bob",
) -> None:
    """Makes a message say how a camera projects; its header stays as it is.

    Args:
        message: Is overwritten.
        size_px: Width and height of the pictures, pixels.
        focal_px: Focal lengths along x and y, pixels.
        centre_px: Where the optical axis meets the picture, column and row, pixels.
        distortion: Coefficients of the distortion model; zeros for none.
        model: Its name, as in sensor_msgs/distortion_models.
    """
    (fx, fy), (cx, cy) = focal_px, centre_px
    message.width, message.height = size_px
    message.distortion_model = model
    message.d = array.array("d", distortion)
    message.k = np.array([fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0])
    message.r = np.eye(3).reshape(-1)
    message.p = np.array([fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0])
