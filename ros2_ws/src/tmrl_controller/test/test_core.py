"""The controller's core, scene by scene: what the driver and the agent get to see."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.types import Driver
from tmrl_controller.clock import HardwareClock, StateClock
from tmrl_controller.config import Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import (
    ArmCommand,
    ChunkOutcome,
    CommandMode,
    ControllerStatus,
    Result,
)
from tmrl_controller.mode import Mode
from tmrl_controller.testing import CONFIG, ManualClock, action_chunk, arm_state, teleop_command

TICK_S = CONFIG.tick_period_s
PERIOD_S = CONFIG.control_period_s


class Scene:
    """A controller on hardware with an arm that answers every tick, and a log of all decisions.

    The arm stands still unless `follows` is set; then it is at once where it was told to be.
    """

    def __init__(self, **changes):
        self.clock = ManualClock()
        self.core = ControllerCore(replace(CONFIG, **changes), self.clock)
        self.follows = True
        self.position_m = np.array([0.275, 0.0, 0.15])
        self.sequence = 0
        self.log = []
        self.see()

    def see(self, **changes):
        self.sequence += 1
        state = {"sequence": self.sequence, "position_m": self.position_m} | changes
        self.core.on_arm_state(arm_state(**state))

    def tick(self, *, arm_answers=True):
        decisions = self.core.tick()
        self.log += decisions
        for command in of(decisions, ArmCommand):
            if self.follows and command.mode is CommandMode.CARTESIAN_POSE:
                self.position_m = command.target.position_m
        self.clock.time_s += TICK_S
        if arm_answers:
            self.see()
        return decisions

    def run(self, duration_s, **kwargs):
        decisions = []
        for _ in range(round(duration_s / TICK_S)):
            decisions += self.tick(**kwargs)
        return decisions

    def offer(self, **changes):
        self.core.on_chunk(action_chunk(arm_state_sequence=self.sequence, **changes))

    @property
    def mode(self):
        return self.core.status().mode


def of(decisions, kind):
    return [decision for decision in decisions if isinstance(decision, kind)]


def moves(decisions):
    return [c for c in of(decisions, ArmCommand) if c.mode is CommandMode.CARTESIAN_POSE]


def holds(decisions):
    return [c for c in of(decisions, ArmCommand) if c.mode is CommandMode.HOLD]


@pytest.fixture
def scene():
    scene = Scene()
    assert scene.core.resume().success
    return scene


def test_nothing_moves_before_somebody_resumes():
    scene = Scene()
    scene.offer()

    decisions = scene.run(1.0)

    assert of(decisions, ArmCommand) == []
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code) == (Result.REFUSED, "not_in_policy_mode")
    assert "controller/resume" in outcome.reason


def test_a_chunk_is_executed_step_by_step_at_the_control_rate(scene):
    scene.offer(execute_steps=3)

    decisions = scene.run(1.0)

    stamps = [command.stamp_s for command in moves(decisions)]
    assert np.diff(stamps) == pytest.approx([PERIOD_S, PERIOD_S])
    xs = [command.target.position_m[0] for command in moves(decisions)]
    assert xs == pytest.approx([0.285, 0.295, 0.305])
    assert all(c.duration_s == PERIOD_S for c in moves(decisions))


def test_the_outcome_says_what_was_commanded_when_and_by_whom(scene):
    scene.offer(execute_steps=2)
    begin_s = scene.clock.stamp_s()

    outcome = of(scene.run(1.0), ChunkOutcome)[0]

    assert outcome.result is Result.COMPLETED
    assert (outcome.code, outcome.reason) == ("", "")
    assert outcome.executed_actions == pytest.approx(
        np.array([[0.01, 0, 0, 0, 0, 0, 1]] * 2, dtype=np.float32)
    )
    assert outcome.driver.tolist() == [Driver.POLICY] * 2
    assert outcome.clamped.tolist() == [False, False]
    assert outcome.started_s == begin_s
    assert outcome.step_ends_s == pytest.approx([begin_s + PERIOD_S, begin_s + 2 * PERIOD_S])
    assert outcome.ended_s == outcome.step_ends_s[-1]
    assert scene.core.status().chunks_accepted == 1


def test_the_outcome_names_the_first_arm_state_after_the_last_step(scene):
    scene.offer(execute_steps=1)
    arrivals = {}
    outcome = None
    while outcome is None:
        outcome = next(iter(of(scene.tick(), ChunkOutcome)), None)
        arrivals[scene.sequence] = scene.clock.stamp_s()

    later = [s for s, stamp_s in arrivals.items() if stamp_s >= outcome.ended_s]
    assert outcome.arm_state_sequence == min(later)


def test_ticks_that_come_a_little_late_do_not_add_up(scene):
    scene.offer(execute_steps=8, actions=np.zeros(56, dtype=np.float32))
    begin_s = scene.clock.time_s
    stamps = []
    while len(stamps) < 8:
        scene.clock.time_s += 0.001
        stamps += [c.stamp_s - 1000.0 - begin_s for c in moves(scene.tick())]

    due_s = np.arange(8) * PERIOD_S
    assert np.abs(np.array(stamps) - due_s).max() <= 1.5 * TICK_S


def test_small_excess_is_clamped_and_reported(scene):
    actions = action_chunk().actions.copy()
    actions[0] = 0.05
    scene.offer(execute_steps=2, actions=actions)

    outcome = of(scene.run(1.0), ChunkOutcome)[0]

    assert outcome.clamped.tolist() == [True, False]
    assert outcome.executed_actions[0, 0] == pytest.approx(0.025)
    assert scene.core.status().steps_clamped == 1
    assert scene.core.limits_acted()["translation"] == 1


def test_a_refused_chunk_never_moves_the_arm_and_is_shown(scene):
    scene.offer(sigma=0.95)

    decisions = scene.run(1.0)

    assert moves(decisions) == []
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code) == (Result.REFUSED, "sigma_above_cap")
    assert outcome.executed_actions.shape == (0, 7)
    status = of(decisions, ControllerStatus)[-1]
    assert status.mode is Mode.POLICY
    assert status.chunks_refused == 1
    assert status.last_refusal_code == "sigma_above_cap"
    assert status.last_refusal == outcome.reason


def test_a_malformed_chunk_gets_its_outcome_too(scene):
    scene.offer(actions=np.zeros(5, dtype=np.float32))

    assert of(scene.tick(), ChunkOutcome)[0].code == "wrong_shape"


def test_without_a_newer_chunk_the_arm_is_told_to_hold_soon_after_the_last_setpoint(scene):
    scene.offer(execute_steps=1)

    decisions = scene.run(1.0)

    (move,), (hold,) = moves(decisions), holds(decisions)
    expiry_s = move.stamp_s + move.valid_for_s
    assert move.valid_for_s == pytest.approx(PERIOD_S + CONFIG.setpoint_grace_s)
    assert expiry_s <= hold.stamp_s + 1e-9
    assert hold.stamp_s <= expiry_s + 2 * TICK_S
    assert hold.target.gripper == move.target.gripper
    assert scene.mode is Mode.POLICY


def test_the_next_chunk_continues_from_the_last_commanded_target(scene):
    scene.follows = False
    scene.offer(execute_steps=1)
    scene.run(1.0)
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    assert moves(scene.run(1.0))[0].target.position_m[0] == pytest.approx(0.295)


def test_a_new_episode_starts_from_the_measured_pose(scene):
    scene.offer(execute_steps=3)
    scene.run(1.0)
    scene.position_m = np.array([0.20, 0.1, 0.2])
    scene.see()
    scene.offer(execute_steps=1, sequence=2, episode=2)

    assert moves(scene.run(1.0))[0].target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_resuming_starts_from_the_measured_pose(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.core.hold()
    scene.run(0.1)
    scene.position_m = np.array([0.30, -0.1, 0.1])
    scene.see()
    scene.core.resume()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    assert moves(scene.run(1.0))[0].target.position_m == pytest.approx([0.31, -0.1, 0.1])


def test_a_step_after_a_stop_waits_until_the_period_that_was_cut_is_over(scene):
    scene.offer(execute_steps=8)
    first = moves(scene.tick())[0]
    scene.core.hold()
    scene.core.resume()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    decisions = scene.run(1.0)

    (second,) = moves(decisions)
    assert second.stamp_s - first.stamp_s == pytest.approx(PERIOD_S)
    outcome = of(decisions, ChunkOutcome)[-1]
    assert outcome.started_s == second.stamp_s


def test_a_newer_chunk_takes_over_at_the_end_of_the_step_under_way(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    outcomes = of(scene.run(1.0), ChunkOutcome)

    assert [(o.chunk.sequence, o.result) for o in outcomes] == [
        (1, Result.SUPERSEDED),
        (2, Result.COMPLETED),
    ]
    assert len(outcomes[0].executed_actions) == 2


def test_of_two_chunks_that_wait_only_the_newer_one_begins(scene):
    scene.offer(execute_steps=1, sequence=1)
    scene.offer(execute_steps=1, sequence=2)

    outcomes = of(scene.run(1.0), ChunkOutcome)

    assert [(o.chunk.sequence, o.result, len(o.driver)) for o in outcomes] == [
        (1, Result.SUPERSEDED, 0),
        (2, Result.COMPLETED, 1),
    ]


def test_a_chunk_that_grew_too_old_while_it_waited_is_refused():
    scene = Scene(max_chunk_age_s=0.15)
    scene.core.resume()
    scene.offer(execute_steps=8)
    scene.tick()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    outcomes = of(scene.run(1.0), ChunkOutcome)

    assert [(o.chunk.sequence, o.code) for o in outcomes] == [(1, "newer_chunk"), (2, "too_old")]


def test_a_step_whose_time_has_passed_is_not_executed(scene):
    scene.offer(execute_steps=8)
    scene.tick()
    scene.clock.time_s += 1.0
    scene.see()

    decisions = scene.tick()

    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    assert of(decisions, ChunkOutcome)[0].code == "late_tick"


def test_hold_ends_the_chunk_and_stops_the_arm_at_once(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)

    reply = scene.core.hold("lunch")
    decisions = scene.run(1.0)

    assert reply.success
    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code, outcome.reason) == (Result.PREEMPTED, "hold", "lunch")
    assert len(outcome.driver) == 2
    assert scene.core.status().reason == "lunch"


def test_a_chunk_that_still_waits_when_the_arm_is_stopped_is_preempted(scene):
    scene.offer()
    scene.core.hold()

    outcomes = of(scene.run(0.1), ChunkOutcome)

    assert [(o.result, len(o.driver)) for o in outcomes] == [(Result.PREEMPTED, 0)]


def test_the_estop_stops_latches_and_needs_a_name(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)

    scene.core.estop("smoke")
    decisions = scene.run(0.2)

    assert moves(decisions) == []
    assert len(holds(decisions)) == 10, "while latched, the hold is repeated every tick"
    assert of(decisions, ChunkOutcome)[0].code == "estop"
    for reply in (scene.core.resume(), scene.core.hold(), scene.core.clear_estop(" ")):
        assert not reply.success
    assert scene.mode is Mode.ESTOP
    assert scene.core.clear_estop("Ada").success
    assert scene.mode is Mode.HOLD
    assert not scene.core.clear_estop("Ada").success
    scene.offer(sequence=2)
    assert moves(scene.run(1.0)) == []
    assert scene.core.resume().success


def test_a_fault_of_the_arm_latches_until_it_is_gone_and_hold_is_called(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.see(fault="motor 3 is off: reboot it")

    decisions = scene.tick(arm_answers=False)

    assert moves(decisions) == []
    assert len(holds(decisions)) == 1
    assert of(decisions, ChunkOutcome)[0].code == "fault"
    assert scene.core.status().reason == "motor 3 is off: reboot it"
    assert "motor 3" in scene.core.hold().message
    assert "motor 3" in scene.core.resume().message
    scene.see()
    assert scene.mode is Mode.FAULT
    assert not scene.core.resume().success
    assert scene.core.hold().success
    assert scene.core.resume().success


def test_an_arm_that_falls_silent_while_it_may_move_is_a_fault(scene):
    scene.offer(execute_steps=8)

    decisions = scene.run(0.5, arm_answers=False)

    assert scene.mode is Mode.FAULT
    assert "arm state stale" in scene.core.status().reason
    last_move_s = moves(decisions)[-1].stamp_s
    assert holds(decisions)[0].stamp_s > last_move_s
    assert "arm state stale" in scene.core.hold().message


def test_a_silent_arm_in_hold_is_no_fault_but_cannot_be_resumed():
    scene = Scene()
    scene.run(1.0, arm_answers=False)

    assert scene.mode is Mode.HOLD
    assert "arm state stale" in scene.core.resume().message


def test_a_restarted_driver_never_moves_before_it_is_resumed(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.sequence = 0
    scene.see()

    decisions = scene.run(1.0)

    assert moves(decisions) == []
    assert "the driver restarted" in scene.core.status().reason


def test_an_arm_outside_the_box_cannot_be_resumed():
    scene = Scene()
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()

    reply = scene.core.resume()

    assert not reply.success
    assert "outside the workspace box" in reply.message


def test_an_episode_that_would_start_outside_the_box_is_refused(scene):
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()
    scene.offer()

    decisions = scene.run(0.5)

    assert moves(decisions) == []
    assert of(decisions, ChunkOutcome)[0].code == "cannot_start"


def test_resuming_twice_changes_nothing(scene):
    scene.follows = False
    scene.offer(execute_steps=2)
    scene.run(0.1)

    assert scene.core.resume().success
    assert of(scene.run(1.0), ChunkOutcome)[0].result is Result.COMPLETED
    scene.core.resume()
    scene.offer(execute_steps=1, sequence=2, chunk=1)
    assert moves(scene.run(1.0))[0].target.position_m[0] == pytest.approx(0.305)


def test_a_move_in_the_same_tick_makes_a_hold_needless(scene):
    scene.core.hold()
    scene.core.resume()
    scene.offer(execute_steps=1)

    decisions = scene.tick()

    assert [c.mode for c in of(decisions, ArmCommand)] == [CommandMode.CARTESIAN_POSE]


def drive(scene, ticks, **changes):
    decisions = []
    for _ in range(ticks):
        scene.core.on_teleop(teleop_command(**changes))
        decisions += scene.tick()
    return decisions


def test_a_person_takes_over_within_one_tick_from_where_the_arm_is(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.position_m = np.array([0.25, 0.05, 0.12])
    scene.see()

    decisions = drive(scene, 1)

    (move,) = moves(decisions)
    assert scene.mode is Mode.TELEOP
    assert "gamepad took over" in scene.core.status().reason
    # From rest the first setpoint differs from the measured pose by a fraction of a millimetre.
    assert move.target.position_m == pytest.approx([0.25, 0.05, 0.12], abs=1e-3)
    assert of(decisions, ChunkOutcome) == [], "the outcome waits for the end of the intervention"


def test_a_person_is_limited_like_the_policy(scene):
    decisions = drive(scene, 50, linear_m_s=np.array([0.0, 5.0, 0.0]))

    ys = np.array([command.target.position_m[1] for command in moves(decisions)])
    speed_m_s = np.diff(ys) / TICK_S
    assert speed_m_s.max() <= CONFIG.max_translation_m / PERIOD_S * (1 + 1e-6)
    assert ys.max() <= CONFIG.workspace_box[3]


def test_letting_go_means_hold_and_the_outcome_shows_who_drove(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    drive(scene, 25)

    decisions = drive(scene, 1, active=False)

    assert scene.mode is Mode.HOLD
    assert len(holds(decisions)) == 1
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code) == (Result.PREEMPTED, "teleop")
    assert outcome.driver.tolist() == [Driver.POLICY] * 2 + [Driver.TELEOP] * 3
    by_hand_m = outcome.executed_actions[2:, 1].sum()
    assert by_hand_m == pytest.approx(scene.position_m[1], abs=1e-6)
    assert (np.diff(outcome.step_ends_s) > 0.0).all()


def test_after_letting_go_the_policy_goes_on_only_where_so_configured():
    scene = Scene(resume_after_teleop=True)
    scene.core.resume()
    drive(scene, 5)
    drive(scene, 1, active=False)

    assert scene.mode is Mode.POLICY
    scene.position_m = np.array([0.20, 0.1, 0.2])
    scene.see()
    scene.offer(execute_steps=1)
    (move,) = moves(scene.run(1.0))
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_after_letting_go_the_rest_of_an_episode_starts_where_the_person_left_the_arm():
    scene = Scene(resume_after_teleop=True)
    scene.core.resume()
    scene.offer(execute_steps=8)
    scene.run(0.3)
    drive(scene, 5)
    drive(scene, 1, active=False)
    scene.position_m = np.array([0.20, 0.1, 0.2])
    scene.see()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    (move,) = moves(scene.run(1.0))
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_a_takeover_from_hold_ends_in_hold_even_so():
    scene = Scene(resume_after_teleop=True)
    drive(scene, 5)
    drive(scene, 1, active=False)

    assert scene.mode is Mode.HOLD


def test_a_device_that_falls_silent_means_hold_even_so():
    scene = Scene(resume_after_teleop=True)
    scene.core.resume()
    drive(scene, 5)

    decisions = scene.run(1.0)

    assert scene.mode is Mode.HOLD
    assert "fell silent" in scene.core.status().reason
    assert len(holds(decisions)) == 1


def test_hold_wins_over_a_device_that_stays_pressed(scene):
    drive(scene, 5)
    scene.core.hold()

    assert moves(drive(scene, 20)) == []
    drive(scene, 1, active=False)
    assert len(moves(drive(scene, 5))) == 5


def test_after_an_estop_a_device_that_stays_pressed_does_nothing(scene):
    drive(scene, 5)
    scene.core.estop()
    drive(scene, 5)
    scene.core.clear_estop("Ada")

    assert moves(drive(scene, 5)) == []


def test_a_device_pressed_anew_during_an_estop_does_nothing_when_it_is_cleared(scene):
    scene.core.estop()
    drive(scene, 1, active=False)
    drive(scene, 5)
    scene.core.clear_estop("Ada")

    assert moves(drive(scene, 5)) == []


@pytest.mark.parametrize("ticks_in_one", [1, 3, 10])
def test_however_often_it_ticks_a_person_moves_the_arm_no_faster(scene, ticks_in_one):
    decisions = []
    begin_s = scene.clock.time_s
    while scene.clock.time_s < begin_s + 1.0:
        scene.core.on_teleop(teleop_command(linear_m_s=np.array([0.0, 5.0, 0.0])))
        decisions += scene.core.tick()
        decisions += scene.core.tick()
        scene.clock.time_s += TICK_S / ticks_in_one
        scene.see()

    durations_s = [move.duration_s for move in moves(decisions)]
    assert sum(durations_s) <= 1.0 + 2 * TICK_S
    assert max(durations_s) <= TICK_S
    speed_m_s = CONFIG.max_translation_m / PERIOD_S
    assert moves(decisions)[-1].target.position_m[1] <= speed_m_s * (1.0 + 2 * TICK_S)


def test_a_reading_that_is_no_number_latches_a_fault(scene):
    drive(scene, 5)

    decisions = drive(scene, 1, linear_m_s=np.array([np.nan, 0, 0]))

    assert moves(decisions) == []
    assert scene.mode is Mode.FAULT
    assert "translation" in scene.core.status().reason


def test_a_device_of_another_robot_is_ignored_and_shown(scene):
    decisions = drive(scene, 3, robot="franka")

    assert moves(decisions) == []
    assert scene.mode is Mode.POLICY
    assert scene.core.status().last_refusal_code == "wrong_robot"


def test_a_takeover_that_cannot_start_stops_the_policy(scene):
    scene.offer(execute_steps=8)
    scene.run(0.1)
    scene.position_m = np.array([0.6, 0.0, 0.15])
    scene.see()

    decisions = drive(scene, 1)

    assert moves(decisions) == []
    assert scene.mode is Mode.HOLD
    assert of(decisions, ChunkOutcome)[0].code == "hold"
    assert "outside the workspace box" in scene.core.status().last_refusal


def test_a_chunk_that_waits_is_preempted_by_a_takeover(scene):
    scene.offer(execute_steps=8)
    scene.run(0.1)
    scene.offer(sequence=2, chunk=1)

    outcomes = of(drive(scene, 1), ChunkOutcome)

    assert [(o.chunk.sequence, o.code) for o in outcomes] == [(2, "teleop")]


def test_the_status_is_told_when_it_changes_and_only_then(scene):
    assert len(of(scene.tick(), ControllerStatus)) == 1
    assert of(scene.run(0.2), ControllerStatus) == []
    scene.core.hold()
    assert of(scene.tick(), ControllerStatus)[0].mode is Mode.HOLD


def test_commands_are_numbered_without_gaps(scene):
    scene.offer(execute_steps=3)
    scene.run(1.0)
    scene.core.estop()
    scene.run(0.1)

    sequences = [command.sequence for command in of(scene.log, ArmCommand)]
    assert sequences == list(range(1, len(sequences) + 1))


class LockStepScene:
    """A simulation that advances one control period per command, and only then."""

    def __init__(self):
        self.clock = StateClock()
        config = replace(CONFIG, pacing=Pacing.LOCK_STEP.value)
        self.core = ControllerCore(config, self.clock)
        self.sequence = 0
        self.period_s = PERIOD_S
        self.position_m = np.array([0.275, 0.0, 0.15])
        self.advance(0.0)

    def advance(self, by_s):
        self.sequence += 1
        self.clock.set(self.clock.now_s() + by_s)
        self.core.on_arm_state(arm_state(sequence=self.sequence, position_m=self.position_m))

    def settle(self):
        """Lets controller and simulation answer each other until both have nothing to do."""
        log = []
        while True:
            decisions = self.core.tick()
            log += decisions
            commands = of(decisions, ArmCommand)
            if not commands:
                return log
            (command,) = commands
            assert command.mode is CommandMode.CARTESIAN_POSE
            assert self.core.tick() == [], "one command per state"
            self.position_m = command.target.position_m
            self.advance(self.period_s)

    def offer(self, **changes):
        self.core.on_chunk(action_chunk(arm_state_sequence=self.sequence, **changes))


def test_in_lock_step_a_chunk_runs_as_fast_as_the_simulation_answers():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)

    log = scene.settle()

    (outcome,) = of(log, ChunkOutcome)
    assert outcome.result is Result.COMPLETED
    assert outcome.step_ends_s == pytest.approx(PERIOD_S * np.arange(1, 6))
    assert outcome.arm_state_sequence == scene.sequence == 6


def test_in_lock_step_nothing_is_sent_while_there_is_nothing_to_do():
    scene = LockStepScene()
    scene.core.resume()
    assert moves(scene.settle()) == []
    scene.core.hold()
    scene.core.estop()
    scene.advance(PERIOD_S)

    assert of(scene.settle(), ArmCommand) == []


def test_in_lock_step_a_chunk_cut_in_flight_names_the_state_that_answers_it():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=5)
    scene.core.tick()
    scene.core.hold()

    (outcome,) = of(scene.core.tick(), ChunkOutcome)

    assert outcome.arm_state_sequence == scene.sequence + 1


def test_in_lock_step_a_simulation_with_another_period_does_not_stall_the_chunk():
    scene = LockStepScene()
    scene.period_s = 0.5 * PERIOD_S
    scene.core.resume()
    scene.offer(execute_steps=5)

    (outcome,) = of(scene.settle(), ChunkOutcome)
    assert outcome.result is Result.COMPLETED


def test_in_lock_step_a_reset_of_the_scene_between_chunks_goes_unnoticed():
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=2)
    scene.settle()
    scene.position_m = np.array([0.2, 0.1, 0.2])
    scene.advance(0.0)
    scene.offer(execute_steps=1, sequence=2, episode=2)

    (move,) = moves(scene.settle())
    assert move.target.position_m == pytest.approx([0.21, 0.1, 0.2])


def test_in_lock_step_a_person_drives_one_period_per_state():
    scene = LockStepScene()
    scene.core.on_teleop(teleop_command())

    log = scene.settle()

    # The reading stays fresh for exactly one control period of simulated time.
    assert [command.duration_s for command in moves(log)] == [PERIOD_S, PERIOD_S]
    assert scene.core.status().mode is Mode.HOLD


def test_in_a_paced_simulation_the_stamps_of_the_states_pace_the_steps():
    clock = StateClock()
    core = ControllerCore(replace(CONFIG, pacing=Pacing.STATE.value), clock)
    log = []
    for number in range(60):
        clock.set(number * 0.02)
        core.on_arm_state(arm_state(sequence=number))
        if number == 0:
            core.resume()
            core.on_chunk(action_chunk(arm_state_sequence=0, execute_steps=3))
        log += core.tick()
        log += core.tick()

    assert [c.stamp_s for c in moves(log)] == pytest.approx([0.0, 0.2, 0.4])
    assert len(holds(log)) == 1
    (outcome,) = of(log, ChunkOutcome)
    assert outcome.arm_state_sequence == 30


def test_the_hardware_clock_paces_steadily_and_stamps_in_ros_time():
    clock = HardwareClock(lambda: 1234.5)

    assert clock.stamp_s() == 1234.5
    assert clock.now_s() <= clock.now_s()
