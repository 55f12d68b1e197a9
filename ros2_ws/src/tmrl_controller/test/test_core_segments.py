"""What a person drives is cut into segments that are published like chunks, at whatever phase."""

from itertools import pairwise

import numpy as np
import pytest

from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode, Driver, Origin
from tmrl_controller.testing import CONFIG, HardwareScene, LockStepScene, moves, of, teleop_command

TICK_S, PERIOD_S = CONFIG.tick_period_s, CONFIG.control_period_s
TICKS_PER_STEP = round(PERIOD_S / TICK_S)
TAKE_OVER_TICKS = round(3.0 / TICK_S)
SEAM_M = 0.004
"""Closer than the slowest of the limits: a jump would show."""
CHUNK_M = 0.01
"""How far along x a step of the tests' chunks goes."""


def segments_of(decisions):
    return [o for o in of(decisions, ChunkOutcome) if o.origin is Origin.HUMAN]


def positions_m(decisions):
    return np.array([command.target.position_m for command in moves(decisions)])


@pytest.mark.parametrize("seed", range(200))
def test_a_take_over_of_3_s_lies_in_segments_whatever_its_phase(seed):
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 9))
    scene = HardwareScene(max_translation_change_m=SEAM_M, resume_after_teleop=True)
    scene.core.resume()
    scene.offer(execute_steps=steps)
    before = scene.run(TICK_S * int(rng.integers(0, steps * TICKS_PER_STEP + 30)))
    pull_m_s = rng.uniform(-0.04, 0.04, 3)
    grasped_m = scene.position_m
    driven = scene.drive(TAKE_OVER_TICKS, linear_m_s=pull_m_s)
    let_go_m = scene.position_m
    released = scene.drive(1, active=False)
    scene.offer(execute_steps=steps, sequence=2, chunk=1)
    after = scene.run(PERIOD_S)

    segments = segments_of(driven + released)
    assert len(segments_of(before + after)) == 0
    # Every step lies in a segment of at most as many rows as a chunk executes.
    rows = [segment.steps for segment in segments]
    assert all(size == steps for size in rows[:-1])
    assert 1 <= rows[-1] <= steps
    assert sum(rows) == -(-len(moves(driven)) // TICKS_PER_STEP)
    assert len(moves(driven)) == TAKE_OVER_TICKS
    assert all(set(segment.driver.tolist()) == {Driver.TELEOP} for segment in segments)
    by_hand_m = np.concatenate([segment.executed_actions[:, :3] for segment in segments])
    assert by_hand_m.sum(axis=0) == pytest.approx(let_go_m - grasped_m, abs=1e-6)
    check_without_gaps(segments)
    ends_ns = np.concatenate([segment.step_ends_ns for segment in segments])
    assert (np.diff(ends_ns) > 0).all()
    # No jump at either hand-over: from rest the first step differs by the seam limit at most.
    share = TICK_S / PERIOD_S
    first_m = positions_m(driven)[0] - grasped_m
    assert np.linalg.norm(first_m) <= SEAM_M * share * share + 1e-9
    assert np.linalg.norm(positions_m(after)[0] - let_go_m) <= SEAM_M + 1e-9


def check_without_gaps(segments):
    for earlier, later in pairwise(segments):
        assert later.chunk.sequence == earlier.chunk.sequence + 1
        assert later.first_arm_state_sequence == earlier.arm_state_sequence
        assert later.started_ns == earlier.ended_ns
        assert later.step_ends_ns[0] >= earlier.step_ends_ns[-1]


def test_the_chunk_in_progress_ends_with_the_rows_of_the_policy(scene):
    scene.offer(execute_steps=8)
    scene.run(0.3)

    (chunk,) = of(scene.drive(60), ChunkOutcome)[:1]

    assert (chunk.origin, chunk.result, chunk.code) == (
        Origin.POLICY,
        ChunkResult.PREEMPTED,
        "teleop",
    )
    assert chunk.driver.tolist() == [Driver.POLICY] * 2


def test_a_take_over_without_any_chunk_is_recorded_too():
    scene = HardwareScene(execute_steps=3)
    scene.run(0.1)
    newest = scene.sequence

    segments = segments_of(scene.drive(80) + scene.drive(1, active=False))

    assert [segment.steps for segment in segments] == [3, 3, 2]
    assert segments[0].first_arm_state_sequence == newest
    assert segments[0].result is ChunkResult.COMPLETED
    assert segments[-1].code == "teleop"
    assert scene.core.status().segments == 3


def test_letting_go_between_two_segments_publishes_no_empty_one():
    scene = HardwareScene(execute_steps=2)

    segments = segments_of(scene.drive(2 * 2 * TICKS_PER_STEP + 1))
    assert [segment.steps for segment in segments] == [2, 2]
    assert [s.steps for s in segments_of(scene.drive(1, active=False))] == [1]


@pytest.mark.parametrize("stop", ["hold", "estop"])
def test_a_stop_publishes_what_was_driven_until_then(scene, stop):
    scene.drive(25)
    getattr(scene.core, stop)()

    (segment,) = segments_of(scene.tick())

    assert (segment.result, segment.code, segment.steps) == (ChunkResult.PREEMPTED, stop, 3)
    assert scene.mode in (ControllerMode.HOLD, ControllerMode.ESTOP)


def test_a_reading_that_is_no_number_ends_the_segment_with_the_fault(scene):
    scene.drive(25)

    (segment,) = segments_of(scene.drive(1, linear_m_s=np.array([np.nan, 0, 0])))

    assert segment.code == "fault"
    assert np.isfinite(segment.executed_actions).all()


def test_after_a_pause_the_next_segment_begins_where_the_arm_is_then(scene):
    first = segments_of(scene.drive(5) + scene.drive(1, active=False))
    scene.run(0.5)
    newest = scene.sequence

    second = segments_of(scene.drive(5) + scene.drive(1, active=False))

    assert second[0].first_arm_state_sequence == newest > first[0].arm_state_sequence


@pytest.mark.parametrize("released_before_the_answer", [False, True])
@pytest.mark.parametrize("driven", range(7, 12))
def test_in_lock_step_each_state_lies_in_one_step_and_segments_meet(
    driven, released_before_the_answer
):
    scene = LockStepScene()
    scene.core.resume()
    scene.offer(execute_steps=4)
    log = scene.core.tick()

    def answer():
        scene.taken = moves(log)[-1]
        scene.position_m = scene.taken.target.position_m
        scene.advance(PERIOD_S)

    for number in range(driven):
        scene.core.on_teleop(teleop_command(stamp_ns=scene.clock.stamp_ns()))
        log += scene.core.tick()
        if number < driven - 1 or not released_before_the_answer:
            answer()
    scene.core.on_teleop(teleop_command(active=False, stamp_ns=scene.clock.stamp_ns()))
    log += scene.core.tick()
    if released_before_the_answer:
        answer()

    chunk, *segments = of(log, ChunkOutcome)
    assert chunk.steps == 1
    states = [(s.first_arm_state_sequence, s.arm_state_sequence) for s in segments]
    assert states[0][0] == chunk.arm_state_sequence
    assert states[-1][1] == scene.sequence, "the last one ends with the answer to its last step"
    assert [end - first for first, end in states] == [s.steps for s in segments]
    check_without_gaps(segments)
