from dataclasses import fields

import numpy as np
import pytest

from tmrl_cell.actions import WORKSPACE_HIGH_M, WORKSPACE_LOW_M, ToolTarget
from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import TOOL_DOWN_WXYZ, UnreachableTargetError
from tmrl_cell.layouts import POT_POSITION_M, Layout, pretraining_layout

LAYOUT = Layout(carrot_xy_m=(0.23, -0.02), sausage_xy_m=(0.32, 0.13))


@pytest.fixture(scope="module")
def cell():
    cell = WidowXCell()
    yield cell
    cell.close()


def assert_same_readings(left, right):
    for field in fields(left):
        np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name))


def put_in_pot(cell: WidowXCell, name: str) -> None:
    """Drop an object into the pot, with the gripper open at its rest pose."""
    cell.reset(
        Layout(carrot_xy_m=POT_POSITION_M, sausage_xy_m=(0.32, 0.13))
        if name == "carrot"
        else Layout(carrot_xy_m=(0.23, -0.02), sausage_xy_m=POT_POSITION_M)
    )


def test_reset_starts_at_the_layout(cell):
    readings = cell.reset(LAYOUT)
    np.testing.assert_allclose(readings.tool_position_m, LAYOUT.tool_position_m, atol=1e-3)
    assert readings.gripper_opening > 0.95
    assert readings.time_s == 0.0
    objects = cell.object_poses()
    np.testing.assert_allclose(objects["carrot"].position_m[:2], LAYOUT.carrot_xy_m, atol=1e-3)
    np.testing.assert_allclose(objects["sausage"].position_m[:2], LAYOUT.sausage_xy_m, atol=1e-3)


def test_the_same_seed_and_commands_give_the_same_motion(cell):
    def roll(other: WidowXCell):
        readings = other.reset(pretraining_layout(np.random.default_rng(7)))
        target = ToolTarget.at(readings.tool_position_m)
        rng = np.random.default_rng(8)
        for _ in range(20):
            target = target.moved(np.append(rng.uniform(-0.02, 0.02, 3), (0, 0, 0, 0.5)))
            readings = other.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
        return readings, other.snapshot()

    first, first_qpos = roll(cell)
    again, again_qpos = roll(cell)
    fresh, fresh_qpos = roll(WidowXCell())
    assert_same_readings(first, again)
    assert_same_readings(first, fresh)
    np.testing.assert_array_equal(first_qpos, again_qpos)
    np.testing.assert_array_equal(first_qpos, fresh_qpos)


def test_the_tool_follows_its_target_and_never_leaves_the_joint_limits(cell):
    low, high = cell.joint_limits_rad
    target = ToolTarget.at(cell.reset(LAYOUT).tool_position_m)
    rng = np.random.default_rng(0)
    for _ in range(200):
        delta = rng.uniform(-0.04, 0.04, 3)
        target = target.moved(np.append(delta, (0, 0, 0, rng.integers(2))))
        before_s = cell.readings().time_s
        readings = cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
        assert readings.time_s == pytest.approx(before_s + 0.2)
        assert np.all(readings.joint_position_rad >= low)
        assert np.all(readings.joint_position_rad <= high)
        assert np.all(target.position_m >= WORKSPACE_LOW_M)
        assert np.all(target.position_m <= WORKSPACE_HIGH_M)
    for _ in range(3):
        readings = cell.step(np.array((0.3, 0.1, 0.12)), TOOL_DOWN_WXYZ, 1.0)
    np.testing.assert_allclose(readings.tool_position_m, (0.3, 0.1, 0.12), atol=1e-3)


def test_a_step_in_slices_ends_where_a_whole_step_ends(cell):
    goal_m = np.array((0.27, 0.02, 0.14))
    cell.reset(LAYOUT)
    whole = cell.step(goal_m, TOOL_DOWN_WXYZ, 0.0)
    cell.reset(LAYOUT)
    cell.command(goal_m, TOOL_DOWN_WXYZ, 0.0)
    for _ in range(4):
        sliced = cell.advance(0.05)
    assert sliced.time_s == pytest.approx(whole.time_s)
    np.testing.assert_allclose(sliced.tool_position_m, whole.tool_position_m, atol=1e-6)
    assert sliced.gripper_opening == pytest.approx(whole.gripper_opening, abs=1e-4)


def test_hold_stops_the_arm_short_of_its_target(cell):
    start_m = cell.reset(LAYOUT).tool_position_m
    cell.command(start_m + np.array((0.0, 0.1, 0.0)), TOOL_DOWN_WXYZ, 1.0, duration_s=2.0)
    cell.advance(0.5)
    cell.hold()
    cell.advance(0.5)
    held = cell.readings()
    assert 0.01 < held.tool_position_m[1] < 0.05
    assert np.abs(held.joint_velocity_rad_s).max() < 1e-2


@pytest.mark.parametrize("name", ["carrot", "sausage"])
def test_success_needs_the_right_object_in_the_pot_and_an_open_gripper(cell, name):
    other = {"carrot": "sausage", "sausage": "carrot"}[name]
    put_in_pot(cell, name)
    assert cell.objects_in_pot() == {name}
    assert cell.success(name)
    assert not cell.success(other)
    home_m = cell.readings().tool_position_m
    for _ in range(4):
        cell.step(home_m, TOOL_DOWN_WXYZ, 0.0)
    assert cell.objects_in_pot() == {name}
    assert not cell.success(name)


def test_nothing_is_in_the_pot_at_the_start(cell):
    cell.reset(LAYOUT)
    assert cell.objects_in_pot() == frozenset()
    assert not cell.success("sausage")


@pytest.mark.parametrize(
    ("position_m", "opening", "message"),
    [
        ((np.nan, 0.0, 0.1), 1.0, "not finite"),
        ((0.25, 0.0, 0.1), 1.5, "gripper opening 1.5"),
        ((0.25, 0.0, 0.1), np.nan, "gripper opening nan"),
    ],
)
def test_bad_commands_are_refused_and_leave_the_arm_alone(cell, position_m, opening, message):
    before = cell.reset(LAYOUT)
    with pytest.raises(ValueError, match=message):
        cell.command(np.array(position_m), TOOL_DOWN_WXYZ, opening)
    after = cell.advance(0.4)
    np.testing.assert_allclose(after.tool_position_m, before.tool_position_m, atol=1e-3)


def test_an_unreachable_command_leaves_the_former_target(cell):
    before = cell.reset(LAYOUT)
    with pytest.raises(UnreachableTargetError):
        cell.command(np.array((0.8, 0.0, 0.1)), TOOL_DOWN_WXYZ, 1.0)
    after = cell.advance(0.4)
    np.testing.assert_allclose(after.tool_position_m, before.tool_position_m, atol=1e-3)


def test_unknown_names_are_refused_with_the_valid_ones(cell):
    with pytest.raises(ValueError, match="carrot, sausage"):
        cell.success("shrimp")
    with pytest.raises(ValueError, match="overview, wrist"):
        cell.render("side")


def test_a_snapshot_shows_the_same_picture_again(cell):
    cell.reset(LAYOUT)
    cell.step(np.array((0.24, 0.02, 0.13)), TOOL_DOWN_WXYZ, 0.3)
    qpos, picture = cell.snapshot(), cell.render("overview")
    cell.reset(pretraining_layout(np.random.default_rng(1)))
    assert (cell.render("overview") != picture).any()
    cell.restore(qpos)
    np.testing.assert_array_equal(cell.render("overview"), picture)
    with pytest.raises(ValueError, match="snapshot has shape"):
        cell.restore(qpos[:-1])


@pytest.mark.parametrize("camera", ["overview", "wrist"])
def test_the_cameras_see_the_scene(cell, camera):
    cell.reset(LAYOUT)
    picture = cell.render(camera)
    assert picture.shape == (224, 224, 3)
    assert picture.dtype == np.uint8
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    carrot = (red > 150) & (green < 0.75 * red) & (blue < 0.4 * red)
    assert picture.mean() > 30
    assert carrot.sum() > 20
