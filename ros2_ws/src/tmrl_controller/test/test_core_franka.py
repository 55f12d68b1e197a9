"""The core in DROID's action space: joint velocities behind the same gate and limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.arm import CommandMode
from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode, Driver
from tmrl_controller.config import Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.limiter import Limit
from tmrl_controller.testing import (
    FRANKA_CONFIG,
    FRANKA_REST_RAD,
    MORE_EXAMPLES,
    ManualClock,
    at_s,
    franka_chunk,
    franka_state,
    holds,
    of,
    teleop_command,
)

TICK_S, PERIOD_S = FRANKA_CONFIG.tick_period_s, FRANKA_CONFIG.control_period_s
UNIT_RAD_S = 0.2 / PERIOD_S
"""DROID's unit of joint velocity."""


class Franka:
    """A controller and an arm that turns its joints as commanded."""

    def __init__(self, **changes):
        self.clock = ManualClock()
        self.core = ControllerCore(replace(FRANKA_CONFIG, **changes), self.clock)
        self.joints = FRANKA_REST_RAD.copy()
        self.sequence = self.taken = 0
        self.see()
        assert self.core.resume().success
        self.teleop(active=False)

    def teleop(self, **changes):
        stamped = {"robot": "franka", "stamp_ns": self.clock.stamp_ns()}
        self.core.on_teleop(teleop_command(**(stamped | changes)))

    def see(self, **changes):
        self.sequence += 1
        values = {"sequence": self.sequence, "joint_position_rad": self.joints}
        taken = {"last_command_sequence": self.taken}
        self.core.on_arm_state(franka_state(**(values | taken | changes)))

    def run(self, duration_s):
        log, speeds = [], np.zeros(7)
        for _ in range(round(duration_s / TICK_S)):
            decisions = self.core.tick()
            log += decisions
            for command in of(decisions, LimitedCommand):
                moves = command.mode is CommandMode.JOINT_VELOCITY
                speeds = command.joint_velocity_rad_s if moves else np.zeros(7)
                self.taken = command.sequence
            self.joints = self.joints + speeds * TICK_S
            self.clock.time_s += TICK_S
            self.see()
        return log

    def offer(self, **changes):
        self.core.on_chunk(franka_chunk(arm_state_sequence=self.sequence, **changes))


@pytest.fixture
def franka():
    return Franka()


def joint_moves(log):
    return [c for c in of(log, LimitedCommand) if c.mode is CommandMode.JOINT_VELOCITY]


def actions(rows=10, **columns):
    values = np.zeros((rows, 8), dtype=np.float32)
    for name, value in columns.items():
        values[:, int(name.removeprefix("c"))] = value
    return values.ravel()


def test_a_chunk_becomes_joint_velocities_in_rad_per_second(franka):
    franka.offer(execute_steps=4, actions=actions(c0=0.1, c7=0.2))

    log = franka.run(1.0)

    moves = joint_moves(log)
    assert len(moves) == 4
    assert [m.joint_velocity_rad_s[0] for m in moves] == pytest.approx([0.1 * UNIT_RAD_S] * 4)
    assert moves[-1].target.gripper == pytest.approx(0.8), "DROID counts how far it is closed"
    assert moves[0].duration_s == pytest.approx(PERIOD_S)
    assert moves[0].valid_for_s == pytest.approx(PERIOD_S + FRANKA_CONFIG.setpoint_grace_s)


def test_the_outcome_has_rows_of_the_same_action_space(franka):
    franka.offer(execute_steps=3, actions=actions(c0=0.1, c5=-0.05, c7=0.25))

    (outcome,) = of(franka.run(1.0), ChunkOutcome)

    assert outcome.result is ChunkResult.COMPLETED
    assert outcome.executed_actions == pytest.approx(
        np.array([[0.1, 0, 0, 0, 0, -0.05, 0, 0.25]] * 3), abs=1e-6
    )
    assert outcome.clamped.tolist() == [False] * 3


def test_a_clamped_step_is_reported_with_what_was_commanded(franka):
    franka.offer(execute_steps=2, actions=actions(c0=0.9))

    (outcome,) = of(franka.run(1.0), ChunkOutcome)

    assert outcome.clamped.tolist() == [True, True]
    first = FRANKA_CONFIG.max_joint_acceleration_rad_s2[0] * PERIOD_S / UNIT_RAD_S
    assert outcome.executed_actions[0, 0] == pytest.approx(first)
    assert franka.core.status().limits_acted[Limit.JOINT_ACCELERATION] >= 1


def test_when_no_chunk_follows_the_arm_is_stopped_with_the_last_period(franka):
    franka.offer(execute_steps=2)

    log = franka.run(1.0)

    (hold,), last = holds(log), joint_moves(log)[-1]
    assert at_s(hold) - at_s(last) <= PERIOD_S + TICK_S
    assert franka.core.status().mode is ControllerMode.POLICY


def test_in_lock_step_the_last_velocity_is_not_followed_by_a_hold():
    franka = Franka(pacing=Pacing.LOCK_STEP.value)
    franka.offer(execute_steps=1)

    assert holds(franka.run(1.0)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"actions": actions(c3=1.4)}, "joint_too_fast"),
        ({"actions": actions(c7=2.0)}, "gripper_out_of_range"),
        ({"actions": actions(c7=-0.6)}, "gripper_out_of_range"),
        ({"actions": np.zeros(0, dtype=np.float32)}, "wrong_shape"),
        ({"actions": np.zeros(70, dtype=np.float32), "action_dim": 7}, "wrong_shape"),
        ({"action_space": "bridge_delta_ee_7"}, "wrong_action_space"),
    ],
)
def test_what_is_no_chunk_of_this_rig_is_refused_whole(franka, changes, code):
    franka.offer(**changes)

    log = franka.run(0.5)

    assert of(log, ChunkOutcome)[0].code == code
    assert joint_moves(log) == []


def test_a_person_drives_the_tool_within_the_limits_of_the_joints(franka):
    franka.offer(execute_steps=10)
    franka.run(0.1)
    start_m = franka_state(joint_position_rad=franka.joints).position_m
    log = []
    for _ in range(30):
        franka.teleop(linear_m_s=np.array([0, 0.1, 0]))
        log += franka.run(TICK_S)
    moved_m = franka_state(joint_position_rad=franka.joints).position_m - start_m
    franka.teleop(active=False)
    log += franka.run(0.1)

    assert moved_m[1] == pytest.approx(0.1 * 30 * TICK_S, rel=0.2)
    assert abs(moved_m[2]) < 0.005
    outcome = of(log, ChunkOutcome)[-1]
    assert set(outcome.driver.tolist()) == {Driver.TELEOP}
    assert outcome.executed_actions.shape[1] == 8
    commands = joint_moves(log)
    changes = np.diff([c.joint_velocity_rad_s for c in commands], axis=0)
    allowed = np.array(FRANKA_CONFIG.max_joint_acceleration_rad_s2)
    assert (np.abs(changes[1:]) <= allowed * TICK_S * (1 + 1e-6) + 1e-9).all()


def test_a_takeover_goes_on_from_the_velocity_under_way(franka):
    franka.offer(execute_steps=10, actions=actions(c0=0.3))
    before = joint_moves(franka.run(0.3))[-1].joint_velocity_rad_s
    franka.teleop(linear_m_s=np.zeros(3))

    (first,) = joint_moves(franka.run(TICK_S))

    change = before[0] - first.joint_velocity_rad_s[0]
    assert change == pytest.approx(FRANKA_CONFIG.max_joint_acceleration_rad_s2[0] * TICK_S)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_reading_that_is_no_number_latches_a_fault(franka, bad):
    franka.teleop(angular_rad_s=np.array([0, bad, 0]))

    log = franka.run(0.1)

    assert joint_moves(log) == []
    assert franka.core.status().mode is ControllerMode.FAULT
    assert "angular velocity" in franka.core.status().reason


@pytest.mark.parametrize(
    "joints", [np.zeros(0), np.zeros(6), np.array([0, 0, 0, np.nan, 0, 0, 0.0])]
)
def test_a_state_without_seven_joints_latches_a_fault(franka, joints):
    franka.offer(execute_steps=10)
    franka.run(0.1)
    tool = {"position_m": np.array([0.4, 0.0, 0.3])}
    state = franka_state(sequence=franka.sequence + 1, **tool)
    franka.core.on_arm_state(replace(state, joint_position_rad=joints))

    assert holds(franka.core.tick())
    assert franka.core.status().mode is ControllerMode.FAULT
    assert "7 finite numbers" in franka.core.status().reason


def test_an_arm_that_was_moved_from_outside_goes_on_from_where_it_is(franka):
    franka.offer(execute_steps=2)
    franka.run(1.0)
    franka.joints = FRANKA_REST_RAD + np.array([0.5, 0, 0, 0, 0, 0, 0])
    franka.see()
    franka.offer(sequence=2, chunk=1, execute_steps=1, actions=actions(c0=0.1))

    (move,) = joint_moves(franka.run(1.0))

    assert move.joint_velocity_rad_s == pytest.approx([0.1 * UNIT_RAD_S, 0, 0, 0, 0, 0, 0])
    assert franka.core.status().mode is ControllerMode.POLICY


EVENTS = st.one_of(
    st.tuples(st.just("chunk"), st.lists(st.floats(-1.3, 1.3), min_size=8, max_size=8)),
    st.tuples(st.just("person"), st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6)),
    st.tuples(st.just("time"), st.floats(0.02, 0.4)),
    st.tuples(st.sampled_from(["hold", "resume", "estop", "clear"]), st.none()),
)


def bring_about(franka, what, value, number):
    core = franka.core
    if what == "chunk":
        row = np.array(value, dtype=np.float32)
        franka.offer(sequence=number, chunk=number, actions=np.tile(row, 10), execute_steps=10)
    elif what == "person":
        twist = {"linear_m_s": np.array(value[:3]), "angular_rad_s": np.array(value[3:])}
        franka.teleop(**twist)
    elif what == "clear":
        core.clear_estop("Ada")
    elif what != "time":
        getattr(core, what)()
    return franka.run(value if what == "time" else TICK_S)


@settings(max_examples=30 * MORE_EXAMPLES)
@given(st.lists(EVENTS, max_size=25))
def test_whoever_drives_a_franka_its_joints_stay_within_their_limits(events):
    franka = Franka()
    low, high = np.array(FRANKA_CONFIG.joint_low_rad), np.array(FRANKA_CONFIG.joint_high_rad)
    fastest = np.array(FRANKA_CONFIG.max_joint_velocity_rad_s)
    for number, (what, value) in enumerate(events, start=1):
        log = bring_about(franka, what, value, number)

        for command in joint_moves(log):
            assert (np.abs(command.joint_velocity_rad_s) <= fastest * (1 + 1e-9)).all()
            assert 0.0 <= command.target.gripper <= 1.0
        assert (low <= franka.joints).all()
        assert (franka.joints <= high).all()
        assert not (franka.core.status().mode is ControllerMode.ESTOP and joint_moves(log))
