"""Kinematics of the WidowX 250."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.interbotix.config import JOINT_HIGH_RAD, JOINT_LOW_RAD, JOINTS
from tmrl_arm.interbotix.kinematics import (
    TOOL_DOWN_XYZW,
    UnreachableError,
    forward,
    inverse,
    jacobian,
    quaternion_of,
    tool_down,
)
from tmrl_common.geometry import matrix_from_quaternion, rotation_angle_between

LIMITS_RAD = (JOINT_LOW_RAD, JOINT_HIGH_RAD)

joint_positions = st.tuples(
    *(st.floats(low, high) for low, high in zip(*LIMITS_RAD, strict=True))
).map(np.array)
small_changes = st.tuples(*(st.floats(-0.1, 0.1) for _ in JOINTS)).map(np.array)


def test_the_zero_pose_is_the_published_one():
    position_m, rotation = forward(np.zeros(6))
    assert position_m == pytest.approx((0.458325, 0.0, 0.36065))
    assert rotation == pytest.approx(np.eye(3))


def test_the_first_joint_turns_left_and_the_second_leans_forward():
    left_m, _ = forward(np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert left_m[1] > 0.1
    forward_m, _ = forward(np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0]))
    assert forward_m[2] < 0.36


@given(joint_positions)
def test_the_jacobian_is_the_derivative_of_the_tool(joint_rad):
    columns = jacobian(joint_rad)
    position_m, rotation = forward(joint_rad)
    step = 1e-6
    for joint in range(len(JOINTS)):
        moved_rad = joint_rad.copy()
        moved_rad[joint] += step
        moved_m, turned = forward(moved_rad)
        assert (moved_m - position_m) / step == pytest.approx(columns[:3, joint], abs=1e-5)
        skew = (turned @ rotation.T - np.eye(3)) / step
        turn = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
        assert turn == pytest.approx(columns[3:, joint], abs=1e-5)


@given(joint_positions)
def test_the_quaternion_is_that_of_the_rotation(joint_rad):
    _, rotation = forward(joint_rad)
    assert matrix_from_quaternion(quaternion_of(rotation)) == pytest.approx(rotation, abs=1e-9)


@given(joint_positions, small_changes)
def test_a_solution_is_at_the_target_and_within_the_limits(joint_rad, change_rad):
    target_m, rotation = forward(np.clip(joint_rad + change_rad, *LIMITS_RAD))
    quaternion = quaternion_of(rotation)
    try:
        found_rad = inverse(target_m, quaternion, joint_rad, LIMITS_RAD)
    except UnreachableError:
        # Near a singularity the search may give up; the arm then holds.
        return
    found_m, found = forward(found_rad)
    assert np.linalg.norm(found_m - target_m) <= 2e-4
    assert rotation_angle_between(quaternion_of(found), quaternion) <= 1.1e-3
    assert (found_rad >= JOINT_LOW_RAD).all()
    assert (found_rad <= JOINT_HIGH_RAD).all()


@given(st.floats(0.16, 0.38), st.floats(-0.22, 0.22), st.floats(0.02, 0.20), st.floats(-0.02, 0.02))
def test_steps_over_the_table_are_found_without_a_swing(x, y, z, step_m):
    here_rad = tool_down(np.array([x, y, z]), LIMITS_RAD)
    there_rad = inverse(np.array([x + step_m, y, z]), TOOL_DOWN_XYZW, here_rad, LIMITS_RAD)
    assert np.abs(there_rad - here_rad).max() < 0.4


def test_a_target_beyond_a_joint_limit_names_joint_value_and_limit():
    here_rad = tool_down(np.array([0.25, 0.0, 0.15]), LIMITS_RAD)
    with pytest.raises(UnreachableError) as refusal:
        inverse(np.array([0.25, 0.0, 0.36]), TOOL_DOWN_XYZW, here_rad, LIMITS_RAD)
    assert "wrist_angle at 2." in str(refusal.value)
    assert f"{JOINT_HIGH_RAD[4]:.3f}" in str(refusal.value)


def test_a_target_out_of_reach_says_how_far_it_is():
    here_rad = tool_down(np.array([0.25, 0.0, 0.15]), LIMITS_RAD)
    with pytest.raises(UnreachableError, match=r"out of reach: .* mm"):
        inverse(np.array([2.0, 0.0, 0.15]), TOOL_DOWN_XYZW, here_rad, LIMITS_RAD)
