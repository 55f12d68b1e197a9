"""How the cell's cameras project, and where they are: pinholes without distortion.

Optical frames, as ROS has them: z looks ahead, x to the right of the picture, y down in it.
"""

from dataclasses import dataclass
from math import radians, tan

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_HALF_TURN_X = np.array([0.0, 1.0, 0.0, 0.0])
"""MuJoCo's cameras look along -z, with y up: half a turn about x away from an optical frame."""


_NEAREST_M = 0.01
"""What is nearer to a camera, or behind it, is not in its picture."""


@dataclass(frozen=True)
class CameraMount:
    """Where a camera is fixed.

    Attributes:
        on_tool: Whether it moves with the tool frame; otherwise it stands in the base frame.
        position_m: Of its optical frame in the frame that it is fixed to, shape (3,), m.
        quaternion_wxyz: Its rotation there, shape (4,), scalar first.
    """

    on_tool: bool
    position_m: Array
    quaternion_wxyz: Array


@dataclass(frozen=True)
class Pinhole:
    """How a point becomes a pixel; the centre of the upper left pixel is (0, 0).

    Attributes:
        focal_px: Focal length, the same in both directions, pixels.
        centre_px: Where the optical axis meets the picture, column and row, pixels.
    """

    focal_px: float
    centre_px: tuple[float, float]

    def project(self, point_m: Array) -> Array:
        """Column and row of a point in the optical frame, shape (3,) [m]; shape (2,), pixels."""
        return self.focal_px * point_m[:2] / point_m[2] + np.array(self.centre_px)


def pinhole(model: mujoco.MjModel, camera: str, height: int, width: int) -> Pinhole:
    """How a camera projects into pictures of a size.

    Args:
        model: Has the camera.
        camera: Its name.
        height: Of the picture, pixels.
        width: Of the picture, pixels.
    """
    field_of_view_rad = radians(float(model.camera(camera).fovy[0]))
    focal_px = 0.5 * height / tan(0.5 * field_of_view_rad)
    return Pinhole(focal_px, (0.5 * (width - 1), 0.5 * (height - 1)))


def mount(model: mujoco.MjModel, camera: str) -> CameraMount:
    """Where a camera is fixed.

    Args:
        model: Has the camera, and the tool frame as the site `tool`; its world is the base frame.
        camera: Its name.

    Raises:
        ValueError: It is fixed to neither of the two.
    """
    found, tool = model.camera(camera), model.site("tool")
    body = int(found.bodyid[0])
    on_tool = body == int(tool.bodyid[0])
    if body != 0 and not on_tool:
        raise ValueError(
            f"camera {camera} is fixed to {model.body(body).name!r}; fix it to the world or to the "
            f"body of the tool, {model.body(int(tool.bodyid[0])).name!r}"
        )
    quaternion = np.empty(4)
    mujoco.mju_mulQuat(quaternion, found.quat, _HALF_TURN_X)
    position_m: Array = np.array(found.pos)
    if on_tool:
        back = np.empty(4)
        mujoco.mju_negQuat(back, tool.quat)
        mujoco.mju_rotVecQuat(position_m, np.array(found.pos) - tool.pos, back)
        mujoco.mju_mulQuat(quaternion, back, quaternion.copy())
    return CameraMount(on_tool, position_m, quaternion)


def places_in_picture(
    model: mujoco.MjModel, data: mujoco.MjData, camera: str, points_m: Array
) -> NDArray[np.float32]:
    """Where points are in a square picture, and whether they are in it.

    Whatever may stand in between is not considered.

    Args:
        model: Has the camera.
        data: Where it is now.
        camera: Its name.
        points_m: Shape (N, 3), base frame [m].

    Returns:
        Shape (N, 3): column and row, each from -1 (left, top) to 1, and 1 for a point in the
        picture or 0 for one outside of it, whose place means nothing.
    """
    number = model.camera(camera).id
    in_camera = (points_m - data.cam_xpos[number]) @ data.cam_xmat[number].reshape(3, 3)
    ahead_m = -in_camera[:, 2]
    reach = np.tan(0.5 * radians(float(model.camera(camera).fovy[0])))
    inside = ahead_m > _NEAREST_M
    places = np.zeros((len(points_m), 3), dtype=np.float32)
    across = in_camera[inside, :2] / (ahead_m[inside, None] * reach)
    places[inside, :2] = across * (1.0, -1.0)
    places[:, 2] = inside & (np.abs(places[:, :2]) <= 1.0).all(axis=1)
    return places
