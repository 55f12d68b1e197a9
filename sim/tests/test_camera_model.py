"""What the camera model says is what is seen in the pictures."""

import mujoco
import numpy as np
import pytest

from tmrl_cell.camera_model import mount, pinhole
from tmrl_cell.cameras import CAMERAS
from tmrl_cell.cell import WidowXCell
from tmrl_cell.layouts import downstream_layout
from tmrl_cell.rendering import CameraRenderer

BALL = """
<mujoco>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <camera name="eye" pos="0.1 0.2 1.0" xyaxes="1 0 0 0 1 0" fovy="50"/>
    <site name="tool"/>
    <geom type="sphere" size="0.012" pos="{} {} 0" rgba="1 0 0 1"/>
  </worldbody>
</mujoco>
"""


def in_optical_frame(model, camera, point_base_m):
    where = mount(model, camera)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, where.quaternion_wxyz)
    return rotation.reshape(3, 3).T @ (np.array(point_base_m) - where.position_m)


@pytest.mark.parametrize("ball_m", [(0.1, 0.2), (0.3, 0.35), (-0.2, 0.1), (0.0, -0.15)])
def test_a_ball_is_seen_where_the_model_projects_it(ball_m):
    height, width = 240, 320
    model = mujoco.MjModel.from_xml_string(BALL.format(*ball_m))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = CameraRenderer(model, height, width)
    try:
        red = renderer.render(data, "eye")[:, :, 0] > 128
    finally:
        renderer.close()
    rows, columns = np.nonzero(red)
    seen_px = [columns.mean(), rows.mean()]
    expected_px = pinhole(model, "eye", height, width).project(
        in_optical_frame(model, "eye", (*ball_m, 0.0))
    )
    # Below half a pixel: a model that counts pixels from their corners would fail.
    np.testing.assert_allclose(seen_px, expected_px, atol=0.3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_mounts_are_where_mujoco_has_them_wherever_the_arm_is(camera):
    cell = WidowXCell()
    cell.reset(downstream_layout(np.random.default_rng(1)))
    for target_m in ((0.28, 0.02, 0.12), (0.22, -0.1, 0.1)):
        arm = cell.step(np.array(target_m), np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0]), 1.0)
        data = mujoco.MjData(cell.model)
        data.qpos[:] = cell.snapshot()
        mujoco.mj_forward(cell.model, data)
        where = mount(cell.model, camera)
        position_m, rotation = where.position_m, np.empty(9)
        mujoco.mju_quat2Mat(rotation, where.quaternion_wxyz)
        rotation = rotation.reshape(3, 3)
        if where.on_tool:
            tool = np.empty(9)
            mujoco.mju_quat2Mat(tool, arm.tool_quaternion_wxyz)
            tool = tool.reshape(3, 3)
            position_m = arm.tool_position_m + tool @ position_m
            rotation = tool @ rotation
        seen = data.cam_xmat[cell.model.camera(camera).id].reshape(3, 3)
        np.testing.assert_allclose(
            position_m, data.cam_xpos[cell.model.camera(camera).id], atol=1e-6
        )
        np.testing.assert_allclose(rotation, seen @ np.diag([1.0, -1.0, -1.0]), atol=1e-6)


def test_a_camera_on_another_link_is_refused_by_name():
    text = """<mujoco><worldbody><site name="tool"/>
      <body name="elbow"><geom size="0.1"/><camera name="eye"/></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(text)
    with pytest.raises(ValueError, match="camera eye is fixed to 'elbow'"):
        mount(model, "eye")
