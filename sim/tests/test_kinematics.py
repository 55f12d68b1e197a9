import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_cell.actions import WORKSPACE_HIGH_M, WORKSPACE_LOW_M
from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import (
    ARM_JOINTS,
    TOOL_DOWN_WXYZ,
    InverseKinematics,
    UnreachableTargetError,
)

MODEL = WidowXCell().model
IK = InverseKinematics(MODEL)

in_box = st.tuples(
    *(st.floats(low, high) for low, high in zip(WORKSPACE_LOW_M, WORKSPACE_HIGH_M, strict=True))
).map(np.array)


def tool_pose(joints_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = mujoco.MjData(MODEL)
    for name, value in zip(ARM_JOINTS, joints_rad, strict=True):
        data.joint(name).qpos[0] = value
    mujoco.mj_kinematics(MODEL, data)
    return data.site("tool").xpos.copy(), data.site("tool").xmat.reshape(3, 3).copy()


@settings(max_examples=200)
@given(in_box)
def test_every_point_of_the_workspace_box_is_reached_within_the_joint_limits(position_m):
    joints = IK.solve_anywhere(position_m, TOOL_DOWN_WXYZ)
    reached_m, rotation = tool_pose(joints)
    np.testing.assert_allclose(reached_m, position_m, atol=1e-3)
    np.testing.assert_allclose(rotation[:, 0], (0.0, 0.0, -1.0), atol=5e-3)
    assert np.all(joints >= IK.low_rad) and np.all(joints <= IK.high_rad)


@settings(max_examples=50)
@given(in_box, in_box)
def test_a_solution_is_found_from_any_other_pose_of_the_box(start_m, goal_m):
    start = IK.solve_anywhere(start_m, TOOL_DOWN_WXYZ)
    reached_m, _ = tool_pose(IK.solve(goal_m, TOOL_DOWN_WXYZ, start))
    np.testing.assert_allclose(reached_m, goal_m, atol=1e-3)


def test_the_zero_pose_matches_the_published_dimensions():
    position_m, rotation = tool_pose(np.zeros(6))
    np.testing.assert_allclose(position_m, (0.458325, 0.0, 0.36), atol=1e-6)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-9)


def test_the_joint_limits_are_the_published_ones():
    low_deg = [-180, -108, -123, -180, -100, -180]
    high_deg = [180, 114, 92, 180, 123, 180]
    np.testing.assert_allclose(np.rad2deg(IK.low_rad), low_deg, atol=0.01)
    np.testing.assert_allclose(np.rad2deg(IK.high_rad), high_deg, atol=0.01)


def test_a_pose_out_of_reach_is_refused_with_its_value():
    with pytest.raises(UnreachableTargetError, match=r"0\.9.*workspace box"):
        IK.solve_anywhere(np.array((0.9, 0.0, 0.2)), TOOL_DOWN_WXYZ)
