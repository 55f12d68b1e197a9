"""Whatever arrives, in whatever order: nothing unsafe is commanded, every chunk is accounted for.

The oracle is this file's own: a log of what the driver was sent and of what went in.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tmrl_common.arm import CommandMode
from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode, Driver, Origin
from tmrl_common.geometry import quaternion_from_rotation_vector
from tmrl_controller.clock import StateClock
from tmrl_controller.config import Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.limiter import rotation_between
from tmrl_controller.testing import (
    CONFIG,
    MORE_EXAMPLES,
    ManualClock,
    action_chunk,
    arm_state,
    at_s,
    teleop_command,
)

from .odd_inputs import BAD_CHUNKS, NUMBERS

TICK_S, PERIOD_S = CONFIG.tick_period_s, CONFIG.control_period_s
LOW_M, HIGH_M = CONFIG.motion_limits.low_m, CONFIG.motion_limits.high_m
SLACK = 1.0 + 1e-5

SMALL = st.floats(-0.04, 0.04)


class Controlled(RuleBasedStateMachine):
    """A controller among unreliable agents, people, drivers and clocks."""

    pacing = Pacing.STEADY

    @initialize(resume_after_teleop=st.booleans(), seam_m=st.sampled_from([0.005, 0.05]))
    def start(self, resume_after_teleop, seam_m):
        self.in_simulation = self.pacing is not Pacing.STEADY
        self.clock = StateClock() if self.in_simulation else ManualClock()
        config = replace(
            CONFIG,
            pacing=self.pacing.value,
            resume_after_teleop=resume_after_teleop,
            max_translation_change_m=seam_m,
        )
        self.core = ControllerCore(config, self.clock)
        self.state_number = 0
        self.arrivals_s = {}
        self.measured = None
        self.target = None
        self.anchors = []
        self.chunk_number = 0
        self.episode = 1
        self.sent = {}
        self.outcomes = Counter()
        self.executed_sequences = []
        self.segments = self.hand_steps = 0
        self.hand_s = 0.0
        self.commands = 0
        self.last_move = None
        self.moved_at_states = []
        self.estop_latched = False
        self.held_down = True
        self.was_released = False
        self.pose = np.array([0.275, 0.0, 0.15])
        self.arm_answers()

    # What comes in

    def pass_time(self, by_s):
        if self.in_simulation:
            self.clock.set(self.clock.stamp_ns() + round(by_s * 1e9))
        else:
            self.clock.time_s += by_s

    def see(self, **changes):
        self.state_number += 1
        values = {"sequence": self.state_number, "position_m": self.pose} | changes
        state = arm_state(**values)
        self.core.on_arm_state(state)
        if np.isfinite(state.position_m).all() and state.robot == CONFIG.robot:
            self.arrivals_s[state.sequence] = self.clock.now_s()
            self.measured = state
            self.anchors.append(state)

    @rule(offset=st.tuples(SMALL, SMALL, SMALL), turn=st.tuples(SMALL, SMALL, SMALL))
    def arm_answers(self, offset=(0.0, 0.0, 0.0), turn=(0.0, 0.0, 0.0)):
        """A new state, at the last target give or take; in simulation time passes with it."""
        if self.in_simulation:
            self.pass_time(PERIOD_S if self.pacing is Pacing.LOCK_STEP else TICK_S)
        if self.target is not None:
            self.pose = self.target.position_m
        position_m = self.pose + np.array(offset)
        quaternion = quaternion_from_rotation_vector(np.array(turn))
        self.see(position_m=position_m, quaternion_xyzw=quaternion)

    @rule(ticks=st.integers(1, 30), answers=st.booleans())
    def time_goes_on(self, ticks, answers):
        for _ in range(ticks):
            self.tick()
            if answers:
                self.arm_answers()
            if not self.in_simulation:
                self.pass_time(TICK_S)

    @rule(by_s=st.sampled_from([0.001, 0.07, 0.15, 0.35, 2.0]))
    def time_jumps(self, by_s):
        self.pass_time(by_s)

    @rule(
        kind=st.sampled_from(["elsewhere", "motor off", "other robot", "restart", "clock back"]),
        pose=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    )
    def arm_is_unwell(self, kind, pose):
        if kind == "elsewhere":
            self.see(position_m=np.array(pose))
        elif kind == "motor off":
            self.see(fault="motor 3 is off")
        elif kind == "other robot":
            self.see(robot="franka")
        elif kind == "restart":
            self.state_number = 0
            self.arrivals_s.clear()
            self.see()
        elif self.in_simulation:
            self.pass_time(-1.0)
            self.last_move = None

    def offer(self, **changes):
        values = {
            "sequence": self.chunk_number,
            "chunk": self.chunk_number,
            "episode": self.episode,
            "arm_state_sequence": self.state_number,
        }
        chunk = action_chunk(**(values | changes))
        self.sent[id(chunk)] = chunk
        self.core.on_chunk(chunk)

    @rule(
        actions=st.lists(st.tuples(*[st.floats(-0.05, 0.05)] * 6), min_size=8, max_size=8),
        gripper=st.floats(-0.5, 1.5),
        execute_steps=st.integers(1, 8),
        new_episode=st.booleans(),
        recovered=st.booleans(),
        ticks=st.integers(0, 100),
    )
    def good_chunk(self, actions, gripper, execute_steps, new_episode, recovered, ticks):
        if recovered:
            self.recover()
        self.chunk_number += 1
        self.episode += new_episode
        rows = np.array([(*row, gripper) for row in actions], dtype=np.float32)
        self.offer(actions=rows.ravel(), execute_steps=execute_steps)
        self.time_goes_on(ticks, answers=True)

    @rule(changes=BAD_CHUNKS, recovered=st.booleans())
    def bad_chunk(self, changes, recovered):
        if recovered:
            self.recover()
        self.chunk_number += 1
        self.offer(**changes)

    @rule(values=st.lists(NUMBERS, min_size=7, max_size=7))
    def wild_chunk(self, values):
        self.recover()
        self.chunk_number += 1
        with np.errstate(over="ignore"):
            row = np.array(values).astype(np.float32)
        self.offer(actions=np.tile(row, 8))

    @rule(back=st.integers(0, 3))
    def replayed_chunk(self, back):
        self.offer(sequence=self.chunk_number - back)

    @rule(back=st.integers(0, 60))
    def chunk_that_answers_an_old_state(self, back):
        self.chunk_number += 1
        self.offer(arm_state_sequence=self.state_number - back)

    @rule(
        active=st.sampled_from([True, True, False]),
        linear=st.tuples(NUMBERS, NUMBERS, NUMBERS),
        angular=st.tuples(SMALL, NUMBERS, SMALL),
        gripper=NUMBERS,
    )
    def person(self, active, linear, angular, gripper):
        twist = {"linear_m_s": np.array(linear), "angular_rad_s": np.array(angular)}
        self.read_device(active=active, gripper=gripper, **twist)

    def read_device(self, **changes):
        command = teleop_command(stamp_ns=self.clock.stamp_ns(), **changes)
        self.core.on_teleop(command)
        self.held_down = command.active
        self.was_released = self.was_released or not command.active

    @rule(ticks=st.integers(1, 20), linear=st.tuples(SMALL, SMALL, SMALL), lets_go=st.booleans())
    def person_drives(self, ticks, linear, lets_go):
        if lets_go:
            self.read_device(active=False)
        for _ in range(ticks):
            self.read_device(linear_m_s=10.0 * np.array(linear))
            self.tick()
            self.arm_answers()
            if not self.in_simulation:
                self.pass_time(TICK_S)

    @rule()
    def hold(self):
        self.core.hold()

    @rule()
    def resume(self):
        reply = self.core.resume()
        assert not (reply.success and self.estop_latched)

    @rule()
    def recover(self):
        """What a person does after anything: look, clear, hold, resume."""
        self.core.clear_estop("Ada")
        self.estop_latched = False
        self.was_released = not self.held_down
        self.pose = np.array([0.275, 0.0, 0.15])
        self.target = None
        # The first state after a restart of the driver is itself a reason to stop.
        self.arm_answers()
        self.arm_answers()
        self.core.hold()
        assert self.core.resume().success

    @rule()
    def estop(self):
        self.core.estop()
        self.estop_latched = True
        self.was_released = not self.held_down

    @rule(operator=st.sampled_from(["", " ", "Ada"]))
    def clear_estop(self, operator):
        done = self.core.clear_estop(operator).success
        assert done == (self.estop_latched and operator == "Ada")
        self.estop_latched = self.estop_latched and not done

    # What must hold

    @rule()
    def tick(self):
        moves, moves_s = 0, 0.0
        for decision in self.core.tick():
            if isinstance(decision, LimitedCommand):
                self.check_command(decision)
                moves += decision.mode is CommandMode.CARTESIAN_POSE
                moves_s += decision.duration_s
            elif isinstance(decision, ChunkOutcome):
                self.check_outcome(decision)
        mode = self.core.status().mode
        assert moves <= 1
        self.hand_s += moves_s if mode is ControllerMode.TELEOP else 0.0
        assert moves == 0 or mode in (ControllerMode.POLICY, ControllerMode.TELEOP)
        assert (mode is ControllerMode.ESTOP) == self.estop_latched
        assert mode is not ControllerMode.TELEOP or self.was_released

    def check_command(self, command):
        self.commands += 1
        assert command.sequence == self.commands
        target = command.target
        numbers = (*target.position_m, *target.quaternion, target.gripper)
        assert np.isfinite(numbers).all()
        assert 0.0 <= target.gripper <= 1.0
        if command.mode is CommandMode.HOLD:
            assert command.arm_state_sequence not in [n for n in self.moved_at_states[-1:] if n > 1]
            return
        self.check_moves_do_not_overlap(command)
        assert (target.position_m >= LOW_M).all()
        assert (target.position_m <= HIGH_M).all()
        assert abs(np.linalg.norm(target.quaternion) - 1.0) < 1e-9
        assert self.is_one_step_from_a_start(target, command.duration_s / PERIOD_S)
        if self.pacing is Pacing.LOCK_STEP:
            self.moved_at_states.append(command.arm_state_sequence)
        self.target = target
        self.anchors = [self.measured]

    def check_moves_do_not_overlap(self, command):
        """The speed limit holds over time, too; lock-step has a clock of its own."""
        last, self.last_move = self.last_move, command
        if last is None or self.pacing is Pacing.LOCK_STEP:
            return
        elapsed_s = at_s(command) - at_s(last)
        by_hand, was_by_hand = command.duration_s <= TICK_S, last.duration_s <= TICK_S
        if by_hand and was_by_hand:
            assert elapsed_s >= command.duration_s - 1e-9
        elif not by_hand and not was_by_hand:
            assert elapsed_s >= PERIOD_S - 1.5 * TICK_S - 1e-9

    def is_one_step_from_a_start(self, target, share):
        """From the last target, or from a measured pose where motion began again."""
        starts = [] if self.target is None else [(self.target.position_m, self.target.quaternion)]
        starts += [
            (np.clip(state.position_m, LOW_M, HIGH_M), state.quaternion_xyzw)
            for state in self.anchors
        ]
        return any(
            np.linalg.norm(target.position_m - position_m)
            <= CONFIG.max_translation_m * share * SLACK + 1e-12
            and np.linalg.norm(rotation_between(quaternion, target.quaternion))
            <= CONFIG.max_rotation_rad * share * SLACK + 1e-7
            for position_m, quaternion in starts
        )

    def check_segment(self, segment):
        self.segments += 1
        assert segment.chunk.sequence == self.segments
        assert segment.result in (ChunkResult.COMPLETED, ChunkResult.PREEMPTED)
        assert set(segment.driver.tolist()) == {Driver.TELEOP}
        assert 1 <= segment.steps <= CONFIG.horizon, "as many as a chunk executes at most"
        assert np.isfinite(segment.executed_actions).all()
        self.hand_steps += segment.steps

    def check_outcome(self, outcome):
        if outcome.origin is Origin.HUMAN:
            self.check_segment(outcome)
            return
        chunk = outcome.chunk
        assert id(chunk) in self.sent
        self.outcomes[id(chunk)] += 1
        steps = len(outcome.driver)
        assert outcome.executed_actions.shape == (steps, 7)
        assert len(outcome.clamped) == len(outcome.step_ends_ns) == steps
        assert (outcome.result is ChunkResult.COMPLETED) == (outcome.code == "")
        assert (outcome.code == "") == (outcome.reason == "")
        if outcome.result is ChunkResult.REFUSED:
            assert steps == 0
        if outcome.result is ChunkResult.COMPLETED:
            assert outcome.driver.tolist() == [Driver.POLICY] * chunk.execute_steps
        if steps:
            self.check_executed(outcome)

    def check_executed(self, outcome):
        chunk = outcome.chunk
        assert chunk.robot == CONFIG.robot
        assert 0.0 <= chunk.sigma <= np.float32(CONFIG.sigma_cap)
        assert not chunk.z.size or np.abs(chunk.z).max() <= CONFIG.z_cap
        assert np.isfinite(chunk.actions).all()
        steps = chunk.actions.reshape(8, 7)[: chunk.execute_steps]
        assert np.linalg.norm(steps[:, :3], axis=1).max() <= CONFIG.refuse_translation_m
        assert set(outcome.driver.tolist()) == {Driver.POLICY}
        assert steps.shape[0] >= outcome.steps
        assert not self.executed_sequences or chunk.sequence > max(self.executed_sequences)
        self.executed_sequences.append(chunk.sequence)
        started_s = outcome.started_ns * 1e-9 - (0.0 if self.in_simulation else 1000.0)
        arrival_s = self.arrivals_s.get(chunk.arm_state_sequence)
        if arrival_s is not None:
            assert started_s - arrival_s <= CONFIG.max_chunk_age_s + 1e-9

    def teardown(self):
        if not hasattr(self, "core"):
            return
        self.tick()
        self.core.estop()
        self.estop_latched = True
        self.tick()
        assert dict(self.outcomes) == dict.fromkeys(self.sent, 1)
        assert self.hand_steps * PERIOD_S >= self.hand_s - 1e-6, "a person's steps are all recorded"
        if self.pacing is Pacing.LOCK_STEP:
            assert self.hand_steps * PERIOD_S <= self.hand_s + 1e-6
            self.check_one_move_per_state()

    def check_one_move_per_state(self):
        consecutive = zip(self.moved_at_states, self.moved_at_states[1:], strict=False)
        assert all(first != second for first, second in consecutive)


class ControlledInPacedSimulation(Controlled):
    """The same with the stamps of the arm states as the clock."""

    pacing = Pacing.STATE


class ControlledInLockStep(Controlled):
    """The same with a simulation that waits for each command."""

    pacing = Pacing.LOCK_STEP


SETTINGS = settings(max_examples=60 * MORE_EXAMPLES, stateful_step_count=40)

TestSteady = Controlled.TestCase
TestPacedSimulation = ControlledInPacedSimulation.TestCase
TestLockStep = ControlledInLockStep.TestCase
TestSteady.settings = TestPacedSimulation.settings = TestLockStep.settings = SETTINGS
