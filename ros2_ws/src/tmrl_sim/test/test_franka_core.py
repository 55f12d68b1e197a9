"""The simulated world with the Franka's cell: joint velocities, buttons, the way home."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.franka.expert import ButtonExpert
from tmrl_cell.franka.kinematics import REST_RAD
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_sim.backend import make_cell
from tmrl_sim.core import SimCore
from tmrl_sim.params import SimConfig

CONFIG = SimConfig(robot="franka", task="press_button", control_period_s=1 / 15)
MOVE = ArmCommand(
    robot="franka",
    sequence=1,
    arm_state_sequence=1,
    mode=CommandMode.JOINT_VELOCITY,
    position_m=np.zeros(0),
    quaternion_xyzw=np.zeros(0),
    joint_velocity_rad_s=np.zeros(7),
    gripper_opening=0.0,
    duration_s=0.0,
    valid_for_s=0.2,
)


@pytest.fixture(scope="module")
def cell() -> FrankaCell:
    made = make_cell(CONFIG)
    assert isinstance(made, FrankaCell)
    return made


def test_each_movement_takes_one_control_period_and_turns_the_joints(cell: FrankaCell) -> None:
    core = SimCore(CONFIG, cell)
    start = core.newest
    speed = np.full(7, 0.2)
    for _ in range(5):
        measured = core.command(replace(MOVE, joint_velocity_rad_s=speed))
    assert measured is not None
    assert measured.stamp_ns - start.stamp_ns == 5 * round(1e9 / 15)
    turned_rad = measured.arm.joint_position_rad - start.arm.joint_position_rad
    np.testing.assert_allclose(turned_rad, 0.2 * 5 / 15, atol=0.01)


def test_pressing_the_red_button_is_a_success_and_the_blue_one_is_none(cell: FrankaCell) -> None:
    core = SimCore(CONFIG, cell)
    for seed, (target, success) in enumerate((("blue", False), ("red", True))):
        measured = core.reset(seed)
        assert (measured.success, measured.detail) == (False, "nothing pressed")
        place = measured.objects[target].position_m
        expert = ButtonExpert(np.random.default_rng(0), cell.kinematics, (place[0], place[1]))
        for _ in range(60):
            steps = expert.act(measured.arm.joint_position_rad)[:7]
            command = replace(MOVE, joint_velocity_rad_s=3.0 * steps.astype(np.float64))
            measured = core.command(command)
            assert measured is not None and not measured.fault
        assert (measured.success, measured.detail) == (success, f"{target} pressed")


def test_home_brings_the_joints_to_their_rest(cell: FrankaCell) -> None:
    core = SimCore(CONFIG, cell)
    measured = core.home()
    np.testing.assert_allclose(measured.arm.joint_position_rad, REST_RAD, atol=0.01)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (replace(MOVE, mode=CommandMode.CARTESIAN_POSE), "send JOINT_VELOCITY"),
        (replace(MOVE, joint_velocity_rad_s=np.zeros(6)), "must be 7 finite numbers"),
        (replace(MOVE, joint_velocity_rad_s=np.full(7, 2.4)), "its limit is 2.175"),
    ],
)
def test_a_command_that_cannot_be_leaves_the_arm_holding_and_says_why(
    cell: FrankaCell, command: ArmCommand, expected: str
) -> None:
    core = SimCore(CONFIG, cell)
    measured = core.command(command)
    assert measured is not None
    assert expected in measured.fault and measured.holding


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"backend": "loopback"}, "a task file wants the backend mujoco"),
        ({"task": "press_buton"}, "did you mean 'press_button'"),
        ({"control_period_s": 0.0676}, "a multiple of the physics step, 0.00333333 s"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        replace(CONFIG, **changes)  # type: ignore[arg-type]
