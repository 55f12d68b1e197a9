"""The Franka's cell: servos that follow, buttons that give way, an expert that presses them."""

import mujoco
import numpy as np
import pytest

from tmrl_cell.camera_model import mount
from tmrl_cell.franka.button_task import (
    JOINT_STEP_RAD,
    WORKSPACE_HIGH_M,
    WORKSPACE_LOW_M,
    ButtonTask,
)
from tmrl_cell.franka.cell import CONTROL_PERIOD_S, FrankaCell
from tmrl_cell.franka.demonstrations import generate, roll
from tmrl_cell.franka.expert import ButtonExpert
from tmrl_cell.franka.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.franka.task_file import Layout, load_task
from tmrl_cell.kinematics import UnreachableTargetError
from tmrl_cell.layouts import LayoutName

TASK = load_task("press_button")
CELL = FrankaCell(TASK)
LAYOUT = TASK.layouts[LayoutName.DOWNSTREAM].draw(np.random.default_rng(0))


def test_a_reset_puts_tool_and_objects_where_the_layout_says() -> None:
    readings = CELL.reset(LAYOUT)
    np.testing.assert_allclose(readings.tool_position_m, LAYOUT.tool_m, atol=2e-4)
    assert abs(readings.tool_quaternion_wxyz @ TOOL_DOWN_WXYZ) > 1 - 1e-6
    for name, pose in CELL.object_poses().items():
        np.testing.assert_allclose(pose.position_m[:2], LAYOUT.objects_m[name])
    assert readings.gripper_opening == 0.0


def test_an_unreachable_start_is_refused() -> None:
    with pytest.raises(UnreachableTargetError, match="nearer to the middle"):
        CELL.reset(Layout(LAYOUT.objects_m, (1.5, 0.0, 0.2)))


def test_the_servos_follow_and_the_arm_stays_where_it_was_stopped() -> None:
    CELL.reset(LAYOUT)
    wanted = np.array([0.5, -0.3, 0.2, 0.4, 0.5, -0.4, 0.6])
    CELL.command(wanted, 0.0)
    for _ in range(3):
        readings = CELL.advance(CONTROL_PERIOD_S)
    np.testing.assert_allclose(readings.joint_velocity_rad_s, wanted, atol=0.02)
    CELL.hold()
    stopped = CELL.advance(4 * CONTROL_PERIOD_S)
    np.testing.assert_allclose(stopped.joint_velocity_rad_s, 0.0, atol=1e-3)
    later = CELL.advance(5.0)
    np.testing.assert_allclose(later.joint_position_rad, stopped.joint_position_rad, atol=1e-3)


@pytest.mark.parametrize(
    ("velocity", "opening", "expected"),
    [
        (np.full(7, np.nan), 0.0, "7 finite numbers"),
        (np.full(7, 3.0), 0.0, "above the arm's"),
        (np.zeros(7), 1.5, "gripper opening 1.5"),
    ],
)
def test_a_command_that_cannot_be_is_refused(
    velocity: np.ndarray, opening: float, expected: str
) -> None:
    CELL.reset(LAYOUT)
    with pytest.raises(ValueError, match=expected):
        CELL.command(velocity, opening)


@pytest.mark.parametrize("target", ["red", "blue"])
def test_pressing_a_button_solves_its_task_only(target: str) -> None:
    task = ButtonTask(CELL)
    scene = task.reset(LAYOUT)
    assert not scene.success and not scene.wrong_object and not scene.low
    rng = np.random.default_rng(0)
    expert = ButtonExpert(rng, CELL.kinematics, LAYOUT.objects_m[target])
    for _ in range(60):
        scene = task.step(expert.act(CELL.readings().joint_position_rad))
    assert (scene.success, scene.wrong_object, scene.low) == (
        target == "red",
        target == "blue",
        True,
    )
    assert CELL.pressed_m(target) >= TASK.success.by_m
    for _ in range(20):
        joints = CELL.readings().joint_position_rad
        up = CELL.kinematics.velocity(joints, np.array([0.0, 0.0, 0.15]), np.zeros(3))
        task.step(np.append(up * CONTROL_PERIOD_S / JOINT_STEP_RAD, 1.0))
    assert CELL.pressed_m(target) < 0.001, "the spring lifts the cap again"


def test_the_expert_presses_the_button_in_nearly_every_layout() -> None:
    succeeded = sum(roll(CELL, np.random.default_rng((9, n))) is not None for n in range(40))
    assert succeeded >= 38


def test_demonstrations_are_in_the_units_of_the_action_space() -> None:
    recorded = generate(CELL, 20, seed=1)
    assert recorded.proprio.shape[1:] == recorded.actions.shape[1:] == (8,)
    assert (recorded.actions[:, 7] == 1.0).all()
    ends = recorded.episode_starts + recorded.episode_lengths - 1
    within = np.setdiff1d(np.arange(len(recorded.actions)), ends)
    moved = recorded.proprio[within + 1, :7] - recorded.proprio[within, :7]
    wanted = JOINT_STEP_RAD * recorded.actions[within, :7]
    # The hand is shaky, and the servos come a little late.
    assert (moved * wanted).sum() / (wanted * wanted).sum() == pytest.approx(1.0, abs=0.1)


def test_no_action_takes_the_tool_out_of_its_workspace() -> None:
    task = ButtonTask(CELL)
    rng = np.random.default_rng(3)
    for _ in range(8):
        task.reset(LAYOUT)
        action = np.append(rng.uniform(-0.5, 0.5, size=7), 1.0)
        for _ in range(60):
            task.step(action)
            tool_m = CELL.readings().tool_position_m
            # A wall gives way, near the ends of the joints most; the table stays untouched.
            assert tool_m[2] > 0.03
            assert np.all(tool_m > WORKSPACE_LOW_M - 0.06)
            assert np.all(tool_m < WORKSPACE_HIGH_M + 0.06)


def test_an_action_that_is_not_finite_is_refused() -> None:
    task = ButtonTask(CELL)
    task.reset(LAYOUT)
    with pytest.raises(ValueError, match="8 finite numbers"):
        task.step(np.full(8, np.inf))


def test_the_wrist_camera_looks_past_the_fist_at_the_table() -> None:
    where = mount(CELL.model, "wrist")
    ahead = np.empty(3)
    mujoco.mju_rotVecQuat(ahead, np.array([0.0, 0.0, 1.0]), where.quaternion_wxyz)
    assert where.on_tool
    assert ahead[2] > 0.9
