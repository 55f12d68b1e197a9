"""The core executes chunks: what the driver and the agent get to see."""

import numpy as np
import pytest

from tmrl_common.arm import CommandMode
from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode, Driver
from tmrl_controller.decisions import ControllerStatus, LimitedCommand
from tmrl_controller.testing import CONFIG, HardwareScene, action_chunk, at_s, holds, moves, of

TICK_S = CONFIG.tick_period_s
PERIOD_S = CONFIG.control_period_s


def test_nothing_moves_before_somebody_resumes():
    scene = HardwareScene()
    scene.offer()

    decisions = scene.run(1.0)

    assert of(decisions, LimitedCommand) == []
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code) == (ChunkResult.REFUSED, "not_in_policy_mode")
    assert "controller/resume" in outcome.reason


def test_a_chunk_is_executed_step_by_step_at_the_control_rate(scene):
    scene.offer(execute_steps=3)

    decisions = scene.run(1.0)

    stamps = [at_s(command) for command in moves(decisions)]
    assert np.diff(stamps) == pytest.approx([PERIOD_S, PERIOD_S])
    xs = [command.target.position_m[0] for command in moves(decisions)]
    assert xs == pytest.approx([0.285, 0.295, 0.305])
    assert all(c.duration_s == PERIOD_S for c in moves(decisions))


def test_the_outcome_says_what_was_commanded_when_and_by_whom(scene):
    scene.offer(execute_steps=2)
    begin_ns = scene.clock.stamp_ns()

    outcome = of(scene.run(1.0), ChunkOutcome)[0]

    assert outcome.result is ChunkResult.COMPLETED
    assert (outcome.code, outcome.reason) == ("", "")
    assert outcome.executed_actions == pytest.approx(
        np.array([[0.01, 0, 0, 0, 0, 0, 1]] * 2, dtype=np.float32)
    )
    assert outcome.driver.tolist() == [Driver.POLICY] * 2
    assert outcome.clamped.tolist() == [False, False]
    assert outcome.started_ns == begin_ns
    assert (outcome.step_ends_ns - begin_ns) * 1e-9 == pytest.approx([PERIOD_S, 2 * PERIOD_S])
    assert outcome.ended_ns == outcome.step_ends_ns[-1]
    assert scene.core.status().chunks_accepted == 1


def test_the_status_says_at_once_which_chunk_has_begun(scene):
    scene.offer(sequence=5)
    scene.offer(sequence=6, sigma=0.99)

    begun = [status.started for status in of(scene.run(0.1), ControllerStatus)]

    assert begun[-1] == (action_chunk().agent_epoch, 5)


def test_the_outcome_names_the_first_arm_state_after_the_last_step(scene):
    scene.offer(execute_steps=1)
    arrivals = {}
    outcome = None
    while outcome is None:
        outcome = next(iter(of(scene.tick(), ChunkOutcome)), None)
        arrivals[scene.sequence] = scene.clock.stamp_ns()

    later = [s for s, stamp_ns in arrivals.items() if stamp_ns >= outcome.ended_ns]
    assert outcome.arm_state_sequence == min(later)


def test_ticks_that_come_a_little_late_do_not_add_up(scene):
    scene.offer(execute_steps=8, actions=np.zeros(56, dtype=np.float32))
    begin_s = scene.clock.time_s
    stamps = []
    while len(stamps) < 8:
        scene.clock.time_s += 0.001
        stamps += [at_s(c) - 1000.0 - begin_s for c in moves(scene.tick())]

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
    assert scene.core.status().limits_acted["translation"] == 1


def test_a_refused_chunk_never_moves_the_arm_and_is_shown(scene):
    scene.offer(sigma=0.95)

    decisions = scene.run(1.0)

    assert moves(decisions) == []
    outcome = of(decisions, ChunkOutcome)[0]
    assert (outcome.result, outcome.code) == (ChunkResult.REFUSED, "sigma_above_cap")
    assert outcome.executed_actions.shape == (0, 7)
    status = of(decisions, ControllerStatus)[-1]
    assert status.mode is ControllerMode.POLICY
    assert status.chunks_refused == 1
    assert status.last_refusal_code == "sigma_above_cap"
    assert status.last_refusal == outcome.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_chunk_with_what_is_no_number_latches_a_fault(scene, bad):
    actions = action_chunk().actions.copy()
    actions[55] = bad
    scene.offer(actions=actions)

    decisions = scene.run(0.5)
    scene.offer(sequence=2)
    decisions += scene.run(0.5)

    assert moves(decisions) == []
    codes = [outcome.code for outcome in of(decisions, ChunkOutcome)]
    assert codes == ["not_finite", "not_in_policy_mode"]
    assert scene.mode is ControllerMode.FAULT
    assert "not finite" in scene.core.status().reason


def test_a_chunk_with_what_is_no_number_latches_a_fault_in_hold_too():
    scene = HardwareScene()
    scene.offer(sigma=float("nan"))

    outcome = of(scene.tick(), ChunkOutcome)[0]

    assert outcome.code == "not_finite"
    assert scene.mode is ControllerMode.FAULT
    assert not scene.core.resume().success


def test_a_chunk_with_what_is_no_number_does_not_take_the_arm_from_a_person(scene):
    scene.drive(5)
    scene.offer(sigma=float("nan"))

    decisions = scene.drive(5)

    assert of(decisions, ChunkOutcome)[0].code == "not_finite"
    assert len(moves(decisions)) == 5
    assert scene.mode is ControllerMode.TELEOP


def test_a_chunk_with_what_is_no_number_unlatches_no_estop(scene):
    scene.core.estop()
    scene.offer(sigma=float("nan"))

    assert moves(scene.run(0.5)) == []
    assert scene.mode is ControllerMode.ESTOP


def test_a_malformed_chunk_gets_its_outcome_too(scene):
    scene.offer(actions=np.zeros(5, dtype=np.float32))

    assert of(scene.tick(), ChunkOutcome)[0].code == "wrong_shape"


def test_without_a_newer_chunk_the_arm_is_told_to_hold_soon_after_the_last_setpoint(scene):
    scene.offer(execute_steps=1)

    decisions = scene.run(1.0)

    (move,), (hold,) = moves(decisions), holds(decisions)
    expiry_s = at_s(move) + move.valid_for_s
    assert move.valid_for_s == pytest.approx(PERIOD_S + CONFIG.setpoint_grace_s)
    assert expiry_s <= at_s(hold) + 1e-9
    assert at_s(hold) <= expiry_s + 2 * TICK_S
    assert hold.target.gripper == move.target.gripper
    assert scene.mode is ControllerMode.POLICY


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
    assert at_s(second) - at_s(first) == pytest.approx(PERIOD_S)
    outcome = of(decisions, ChunkOutcome)[-1]
    assert outcome.started_ns == second.stamp_ns


def test_a_step_after_a_stop_waits_even_if_the_one_that_was_cut_had_begun_a_little_early(scene):
    scene.offer(execute_steps=8)
    scene.tick()
    scene.clock.time_s += PERIOD_S - 1.4 * TICK_S
    scene.see()
    (cut,) = moves(scene.core.tick())
    scene.core.hold()
    scene.core.resume()
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    (following,) = moves(scene.run(1.0))

    assert at_s(following) - at_s(cut) >= PERIOD_S - 0.5 * TICK_S


def test_a_newer_chunk_takes_over_at_the_end_of_the_step_under_way(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)
    scene.offer(execute_steps=1, sequence=2, chunk=1)

    outcomes = of(scene.run(1.0), ChunkOutcome)

    assert [(o.chunk.sequence, o.result) for o in outcomes] == [
        (1, ChunkResult.SUPERSEDED),
        (2, ChunkResult.COMPLETED),
    ]
    assert len(outcomes[0].executed_actions) == 2


def test_of_two_chunks_that_wait_only_the_newer_one_begins(scene):
    scene.offer(execute_steps=1, sequence=1)
    scene.offer(execute_steps=1, sequence=2)

    outcomes = of(scene.run(1.0), ChunkOutcome)

    assert [(o.chunk.sequence, o.result, len(o.driver)) for o in outcomes] == [
        (1, ChunkResult.SUPERSEDED, 0),
        (2, ChunkResult.COMPLETED, 1),
    ]


def test_a_chunk_that_grew_too_old_while_it_waited_is_refused():
    scene = HardwareScene(max_chunk_age_s=0.15)
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


def test_resuming_twice_changes_nothing(scene):
    scene.follows = False
    scene.offer(execute_steps=2)
    scene.run(0.1)

    assert scene.core.resume().success
    assert of(scene.run(1.0), ChunkOutcome)[0].result is ChunkResult.COMPLETED
    scene.core.resume()
    scene.offer(execute_steps=1, sequence=2, chunk=1)
    assert moves(scene.run(1.0))[0].target.position_m[0] == pytest.approx(0.305)


def test_a_move_in_the_same_tick_makes_a_hold_needless(scene):
    scene.core.hold()
    scene.core.resume()
    scene.offer(execute_steps=1)

    decisions = scene.tick()

    assert [c.mode for c in of(decisions, LimitedCommand)] == [CommandMode.CARTESIAN_POSE]
