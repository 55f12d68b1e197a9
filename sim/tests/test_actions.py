import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tmrl_cell.actions import MAX_TRANSLATION_M, WORKSPACE_HIGH_M, WORKSPACE_LOW_M, ToolTarget
from tmrl_cell.kinematics import TOOL_DOWN_WXYZ

START_M = np.array((0.25, 0.0, 0.1))


@given(st.lists(arrays(np.float64, 7, elements=st.floats(-1e3, 1e3)), max_size=20))
def test_no_sequence_of_actions_leaves_the_box_or_steps_too_far(actions):
    target = ToolTarget.at(START_M)
    for action in actions:
        moved = target.moved(action)
        step_m = np.linalg.norm(moved.position_m - target.position_m)
        assert step_m <= MAX_TRANSLATION_M + 1e-9
        assert np.all(moved.position_m >= WORKSPACE_LOW_M)
        assert np.all(moved.position_m <= WORKSPACE_HIGH_M)
        assert np.linalg.norm(moved.quaternion_wxyz) == pytest.approx(1.0)
        assert 0.0 <= moved.gripper_opening <= 1.0
        target = moved


def test_a_small_action_moves_by_exactly_itself():
    target = ToolTarget.at(START_M).moved(np.array((0.01, -0.02, 0.005, 0, 0, 0, 0.25)))
    np.testing.assert_allclose(target.position_m, START_M + np.array((0.01, -0.02, 0.005)))
    np.testing.assert_allclose(target.quaternion_wxyz, TOOL_DOWN_WXYZ)
    assert target.gripper_opening == 0.25


def test_a_rotation_turns_about_the_axes_of_the_base_frame():
    turned = ToolTarget.at(START_M).moved(np.array((0, 0, 0, 0, 0, np.pi / 2, 1.0)))
    half = 0.5
    np.testing.assert_allclose(turned.quaternion_wxyz, (half, -half, half, half), atol=1e-12)


@pytest.mark.parametrize("action", [np.zeros(4), np.full(7, np.nan)])
def test_malformed_actions_are_refused(action):
    with pytest.raises(ValueError, match="7 finite numbers"):
        ToolTarget.at(START_M).moved(action)
