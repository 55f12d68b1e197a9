import numpy as np
import pytest

from tmrl_cell.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.layouts import Layout
from tmrl_cell.loopback import LoopbackCell, in_pot_after
from tmrl_cell.observation import context, proprio

LAYOUT = Layout(carrot_xy_m=(0.23, -0.02), sausage_xy_m=(0.32, 0.13))


def test_the_arm_is_where_it_was_told_to_be():
    cell = LoopbackCell()
    cell.reset(LAYOUT)
    goal_m = np.array((0.3, 0.1, 0.05))
    readings = cell.step(goal_m, TOOL_DOWN_WXYZ, 0.0, duration_s=0.2)
    np.testing.assert_array_equal(readings.tool_position_m, goal_m)
    assert readings.time_s == pytest.approx(0.2)
    np.testing.assert_allclose(proprio(readings), (0.3, 0.1, 0.05, 0.0, 0.0), atol=1e-6)
    np.testing.assert_allclose(context(cell.object_poses()), (0.23, -0.02, 0.32, 0.13), atol=1e-6)
    assert len(cell.commands) == 1


def test_the_script_decides_about_success():
    cell = LoopbackCell(in_pot_after(2, "sausage"))
    cell.reset(LAYOUT)
    for expected in (False, True):
        cell.step(np.array((0.3, 0.1, 0.05)), TOOL_DOWN_WXYZ, 1.0)
        assert cell.success("sausage") is expected
    cell.step(np.array((0.3, 0.1, 0.05)), TOOL_DOWN_WXYZ, 0.0)
    assert cell.objects_in_pot() == {"sausage"}
    assert not cell.success("sausage")
    cell.reset(LAYOUT)
    assert not cell.success("sausage")


def test_bad_commands_are_refused_as_by_the_physics_cell():
    cell = LoopbackCell()
    cell.reset(LAYOUT)
    with pytest.raises(ValueError, match="not finite"):
        cell.step(np.array((np.nan, 0, 0)), TOOL_DOWN_WXYZ, 1.0)
    with pytest.raises(ValueError, match="gripper opening 2"):
        cell.step(np.array((0.3, 0.1, 0.05)), TOOL_DOWN_WXYZ, 2.0)
