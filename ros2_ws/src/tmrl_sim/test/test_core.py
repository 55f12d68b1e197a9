from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_cell.cell import WidowXCell
from tmrl_cell.kinematics import TOOL_DOWN_WXYZ
from tmrl_cell.layouts import HOME_TOOL_POSITION_M
from tmrl_cell.loopback import LoopbackCell, in_pot_after
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_sim.core import SimCore
from tmrl_sim.params import SimConfig

LOCK_STEP = SimConfig(robot="widowx")
PACED = SimConfig(robot="widowx", real_time_factor=1.0)
PERIOD_NS = 200_000_000
TICK_NS = 20_000_000
TOOL_DOWN_XYZW = np.roll(TOOL_DOWN_WXYZ, -1)
MOVE = ArmCommand(
    robot="widowx",
    sequence=1,
    arm_state_sequence=1,
    mode=CommandMode.CARTESIAN_POSE,
    position_m=np.array((0.3, 0.1, 0.1)),
    quaternion_xyzw=TOOL_DOWN_XYZW,
    joint_velocity_rad_s=np.zeros(0),
    gripper_opening=1.0,
    duration_s=0.2,
    valid_for_s=0.3,
)
HOLD = replace(MOVE, mode=CommandMode.HOLD)
BAD_COMMANDS = [
    (replace(MOVE, robot="franka"), "it is for 'franka', this is 'widowx'"),
    (replace(MOVE, mode=CommandMode.JOINT_VELOCITY), "mode JOINT_VELOCITY; send CARTESIAN_POSE"),
    (replace(MOVE, mode=9), "mode 9; send CARTESIAN_POSE"),
    (replace(MOVE, position_m=np.array((2.0, 0.0, 0.1))), "out of reach"),
    (replace(MOVE, position_m=np.array((np.nan, 0.0, 0.1))), "not 7 finite"),
    (replace(MOVE, quaternion_xyzw=np.zeros(4)), "length 0"),
    (replace(MOVE, quaternion_xyzw=np.full(4, np.nan)), "not 7 finite"),
    (replace(MOVE, gripper_opening=1.5), "opening is 1.5"),
    (replace(MOVE, duration_s=0.0), "duration_s is 0.0"),
    (replace(MOVE, duration_s=np.inf), "duration_s is inf"),
    (replace(MOVE, valid_for_s=np.nan), "valid_for_s is nan"),
]


@pytest.fixture(scope="module")
def physics():
    return WidowXCell()


def test_there_is_a_first_measurement_before_anything_happened():
    newest = SimCore(LOCK_STEP, LoopbackCell()).newest
    assert (newest.sequence, newest.fault, newest.success) == (1, "", False)
    assert newest.stamp_ns > 0


def test_in_lock_step_each_movement_takes_exactly_one_control_period():
    core = SimCore(LOCK_STEP, LoopbackCell())
    start = core.newest
    for step in range(1, 1001):
        measured = core.command(MOVE)
        assert measured.sequence == start.sequence + step
        assert measured.stamp_ns == start.stamp_ns + step * PERIOD_NS
    np.testing.assert_array_equal(measured.arm.tool_position_m, MOVE.position_m)


def test_in_lock_step_a_hold_lets_no_time_pass():
    core = SimCore(LOCK_STEP, LoopbackCell())
    before = core.command(MOVE)
    assert (before.last_command, before.holding) == (1, False)
    again = core.command(replace(HOLD, sequence=2))
    assert again == replace(before, last_command=2, holding=True)
    assert core.newest is again


def test_a_paced_world_says_with_its_next_tick_that_it_took_a_hold():
    core = SimCore(PACED, LoopbackCell())
    assert core.command(MOVE) is None
    assert (core.tick().last_command, core.newest.holding) == (1, False)
    assert core.command(replace(HOLD, sequence=2)) is None
    assert (core.tick().last_command, core.newest.holding) == (2, True)


def test_a_paced_world_holds_when_a_movement_has_expired():
    core = SimCore(PACED, LoopbackCell())
    core.command(MOVE)
    assert [core.tick().holding for _ in range(16)] == [False] * 15 + [True]


@pytest.mark.parametrize("act", [lambda core: core.reset(3), SimCore.home])
def test_after_a_reset_and_at_home_the_arm_holds(act):
    core = SimCore(LOCK_STEP, LoopbackCell())
    core.command(MOVE)
    assert act(core).holding


def test_a_command_for_another_arm_does_not_count_as_taken():
    core = SimCore(LOCK_STEP, LoopbackCell())
    refused = core.command(replace(MOVE, robot="franka", sequence=9000))
    assert (refused.last_command, refused.holding) == (0, True)


@pytest.mark.parametrize(("bad", "sentence"), BAD_COMMANDS)
def test_a_refused_command_is_a_fault_until_the_next_valid_one(physics, bad, sentence):
    core = SimCore(LOCK_STEP, physics)
    before = core.newest
    refused = core.command(bad)
    assert sentence in refused.fault
    assert refused.sequence == before.sequence + 1
    assert refused.stamp_ns == before.stamp_ns + PERIOD_NS
    np.testing.assert_allclose(refused.arm.tool_position_m, before.arm.tool_position_m, atol=1e-3)
    core.command(HOLD)
    assert core.newest.fault == refused.fault
    assert core.command(MOVE).fault == ""


@pytest.mark.parametrize("clear", [SimCore.home, SimCore.recover, lambda core: core.reset(3)])
def test_homing_a_reset_and_recovering_end_a_fault(clear):
    core = SimCore(LOCK_STEP, LoopbackCell())
    assert core.command(BAD_COMMANDS[0][0]).fault
    assert clear(core).fault == ""


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(max_examples=150)
@given(
    mode=st.integers(0, 255),
    position=st.tuples(numbers, numbers, numbers),
    quaternion=st.tuples(numbers, numbers, numbers, numbers) | st.just(tuple(TOOL_DOWN_XYZW)),
    others=st.tuples(numbers, numbers, numbers),
)
def test_no_command_whatsoever_moves_the_arm_out_of_its_limits(
    physics, mode, position, quaternion, others
):
    core = SimCore(LOCK_STEP, physics)
    low_rad, high_rad = physics.joint_limits_rad
    pose = (np.array(position), np.array(quaternion))
    core.command(ArmCommand("widowx", 1, 1, mode, *pose, np.zeros(0), *others))
    joints_rad = physics.readings().joint_position_rad
    assert np.all(joints_rad >= low_rad) and np.all(joints_rad <= high_rad)
    assert core.command(MOVE).fault == ""


def test_no_two_scenes_share_a_stamp_and_time_never_goes_back():
    core = SimCore(LOCK_STEP, LoopbackCell())
    last = core.newest
    for seed in range(5):
        core.command(MOVE)
        measured = core.reset(seed)
        assert measured is core.newest
        assert measured.sequence == last.sequence + 2
        assert measured.stamp_ns > last.stamp_ns
        assert measured.arm.gripper_opening == 1.0
        last = measured


@pytest.mark.parametrize("layout", ["downstream", "pretraining"])
def test_the_seed_decides_the_scene(layout):
    core = SimCore(replace(LOCK_STEP, layout=layout), LoopbackCell())

    def carrot_m(seed):
        return core.reset(seed).objects["carrot"].position_m

    np.testing.assert_array_equal(carrot_m(4), carrot_m(4))
    assert (carrot_m(4) != carrot_m(5)).any()


def test_success_is_that_of_the_configured_target():
    for target, solved in (("carrot", True), ("sausage", False)):
        core = SimCore(replace(LOCK_STEP, target=target), LoopbackCell(in_pot_after(2, "carrot")))
        assert not core.command(MOVE).success
        measured = core.command(MOVE)
        assert measured.detail == "carrot in pot"
        assert measured.success is solved


def test_when_paced_time_passes_by_itself_tick_by_tick():
    core = SimCore(PACED, LoopbackCell())
    start = core.newest
    assert core.command(MOVE) is None
    for tick in range(1, 101):
        measured = core.tick()
        assert measured.sequence == start.sequence + tick
        assert measured.stamp_ns == start.stamp_ns + tick * TICK_NS


def test_when_paced_a_command_is_followed_no_longer_than_it_is_valid(physics):
    core = SimCore(PACED, physics)
    core.command(replace(MOVE, duration_s=2.0, valid_for_s=0.3))
    for _ in range(15):
        core.tick()
    at_expiry_m = core.newest.arm.tool_position_m
    for _ in range(25):
        core.tick()
    held = core.newest
    assert held.fault == ""
    assert np.linalg.norm(held.arm.tool_position_m - at_expiry_m) < 5e-3
    assert np.linalg.norm(held.arm.tool_position_m - MOVE.position_m) > 0.05
    assert np.abs(held.arm.joint_velocity_rad_s).max() < 1e-2


def test_when_paced_a_newer_command_in_time_keeps_the_arm_going(physics):
    core = SimCore(PACED, physics)
    for _ in range(10):
        core.command(replace(MOVE, duration_s=0.2, valid_for_s=0.3))
        for _ in range(10):
            core.tick()
    np.testing.assert_allclose(core.newest.arm.tool_position_m, MOVE.position_m, atol=2e-3)


def test_when_paced_a_hold_stops_the_arm_at_once(physics):
    core = SimCore(PACED, physics)
    core.command(replace(MOVE, duration_s=2.0, valid_for_s=5.0))
    for _ in range(10):
        core.tick()
    assert core.command(HOLD) is None
    at_hold_m = core.newest.arm.tool_position_m
    for _ in range(50):
        core.tick()
    assert np.linalg.norm(core.newest.arm.tool_position_m - at_hold_m) < 5e-3


def test_when_paced_a_refusal_is_told_at_once_and_for_a_second():
    core = SimCore(PACED, LoopbackCell())
    before = core.newest
    refused = core.command(BAD_COMMANDS[0][0])
    assert refused.fault
    assert refused.sequence == before.sequence + 1
    for _ in range(50):
        assert core.tick().fault == refused.fault
    assert core.tick().fault == ""


def test_homing_brings_the_tool_to_its_rest_pose_with_what_it_holds(physics):
    core = SimCore(LOCK_STEP, physics)
    for _ in range(10):
        core.command(replace(MOVE, position_m=np.array((0.2, 0.15, 0.05)), gripper_opening=0.2))
    before = core.newest
    homed = core.home()
    assert homed.sequence == before.sequence + 1
    assert homed.stamp_ns > before.stamp_ns
    np.testing.assert_allclose(homed.arm.tool_position_m, HOME_TOOL_POSITION_M, atol=2e-3)
    assert homed.arm.gripper_commanded == pytest.approx(0.2)
