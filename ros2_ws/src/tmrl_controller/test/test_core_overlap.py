"""Chunks that continue a running one: spliced by counted steps, or refused and the arm holds."""

import itertools
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_common.chunks import ChunkOutcome, ChunkResult
from tmrl_controller.action_spaces import action_space_of
from tmrl_controller.limiter import Motion, Setpoint
from tmrl_controller.testing import (
    CONFIG,
    FRANKA_CONFIG,
    MORE_EXAMPLES,
    HardwareScene,
    LockStepScene,
    action_chunk,
    holds,
    moves,
    of,
)

STEPS, OVERLAP, PERIOD_S = 3, 2, CONFIG.control_period_s


def planned(first: int, rows: int = CONFIG.horizon) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What is wanted in the steps from `first` on: no two of a hundred are alike."""
    steps = np.arange(first, first + rows)
    actions = np.zeros((rows, 7), np.float32)
    actions[:, 0] = np.where(steps % 2 == 0, 1.0, -1.0) * (0.002 + 0.0001 * (steps % 100))
    actions[:, 6] = 1.0
    return actions


def executed(log: list[Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the outcomes say, one step after the other."""
    return np.concatenate([outcome.executed_actions for outcome in of(log, ChunkOutcome)])


def chunk_at(step: int, sequence: int, committed: int = 0, **changes: Any) -> Any:
    """A chunk that was decided when `step` steps had begun, all of them wanted by the plan."""
    follows = sequence - 1 if committed else 0
    known = {"sequence": sequence, "follows": follows, "committed_steps": committed}
    actions = planned(step).ravel()
    return action_chunk(**(known | {"actions": actions, "execute_steps": STEPS} | changes))


@pytest.fixture
def scene():
    """A controller on hardware that was resumed."""
    scene = HardwareScene(overlap_steps=OVERLAP, execute_steps=STEPS, max_chunk_age_s=1.0)
    assert scene.core.resume().success
    return scene


def run_until_overlap(scene: HardwareScene) -> int:
    """The first chunk runs until the next one can be asked for; the arm state to answer."""
    scene.core.on_chunk(chunk_at(0, 1, arm_state_sequence=scene.sequence))
    for _ in range(1000):
        scene.tick()
        if state := scene.core.status().overlap_state:
            return state
    raise AssertionError("the overlap never came")


def test_the_status_says_from_which_arm_state_on_the_overlap_remains(scene):
    begins_s = scene.clock.time_s
    state = run_until_overlap(scene)
    scene.run(2.0 * PERIOD_S)
    elapsed = (STEPS - OVERLAP) * PERIOD_S / CONFIG.tick_period_s
    assert begins_s == 10.0
    assert state == pytest.approx(1 + elapsed, abs=2), "one step after the first"


def test_a_chunk_continues_another_one_without_a_stop(scene):
    state = run_until_overlap(scene)
    scene.run(0.5 * PERIOD_S)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state))
    scene.run(2.0)
    outcomes = of(scene.log, ChunkOutcome)
    assert [o.result for o in outcomes] == [ChunkResult.COMPLETED] * 2
    np.testing.assert_allclose(executed(scene.log), planned(0, 2 * STEPS), atol=1e-6)
    stamps_s = [command.stamp_ns * 1e-9 for command in moves(scene.log)]
    assert np.diff(stamps_s) == pytest.approx([PERIOD_S] * 5), "no period is skipped"
    last_s = stamps_s[-1]
    assert [h for h in holds(scene.log) if h.stamp_ns * 1e-9 < last_s] == []


def test_a_late_answer_begins_where_the_old_chunk_has_ended(scene):
    state = run_until_overlap(scene)
    scene.run(3.0 * PERIOD_S)
    assert len(of(scene.log, ChunkOutcome)) == 1, "the arm stands"
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state))
    scene.run(2.0)
    np.testing.assert_allclose(executed(scene.log), planned(0, 2 * STEPS), atol=1e-6)


def test_an_answer_that_is_too_late_is_refused_with_its_age(scene):
    state = run_until_overlap(scene)
    scene.run(1.5)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state))
    scene.run(1.0)
    refused = of(scene.log, ChunkOutcome)[-1]
    assert (refused.result, refused.code) == (ChunkResult.REFUSED, "too_old")
    assert "allowed are 1.000 s" in scene.core.status().last_refusal
    assert len(moves(scene.log)) == STEPS


def test_a_chunk_that_comes_while_another_one_runs_still_takes_over(scene):
    """One that continues nothing, as without an overlap."""
    run_until_overlap(scene)
    scene.core.on_chunk(chunk_at(50, 2, arm_state_sequence=scene.sequence))
    scene.run(2.0)
    first, second = of(scene.log, ChunkOutcome)
    assert (first.result, first.steps) == (ChunkResult.SUPERSEDED, 2)
    assert (second.result, second.steps) == (ChunkResult.COMPLETED, STEPS)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"follows": 7}, "chunk 2 continues chunk 7, which has not run to its end"),
        ({"agent_epoch": "agent-b"}, "chunk 2 continues chunk 1, which has not run"),
        ({"committed_steps": 1, "actions": planned(2).ravel()}, "2 steps of chunk 1 .* with 1"),
        ({"committed_steps": 3, "actions": planned(0).ravel()}, "2 steps of chunk 1 .* with 3"),
        ({"actions": planned(2).ravel()}, "first 2 actions of chunk 2 are not the last ones"),
        ({"follows": 0}, "continues chunk 0 and begins with 2 of its steps: give both"),
        ({"committed_steps": 0}, "continues chunk 1 and begins with 0 of its steps"),
    ],
)
def test_what_does_not_continue_the_running_chunk_is_refused_and_the_arm_holds(
    scene, wrong, sentence
):
    state = run_until_overlap(scene)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state, **wrong))
    scene.run(2.0)
    outcomes = {outcome.chunk.sequence: outcome for outcome in of(scene.log, ChunkOutcome)}
    assert (outcomes[1].result, outcomes[1].steps) == (ChunkResult.COMPLETED, STEPS)
    assert (outcomes[2].result, outcomes[2].code) == (ChunkResult.REFUSED, "cannot_splice")
    assert re.search(sentence, outcomes[2].reason)
    assert len(moves(scene.log)) == STEPS
    assert scene.core.status().last_refusal_code == "cannot_splice"


@pytest.mark.parametrize("shift", [-10, 10])
def test_an_answer_to_another_moment_is_refused_with_the_steps_that_were_executed(scene, shift):
    """A period has ten ticks and as many arm states: one step more or less was executed."""
    state = run_until_overlap(scene)
    scene.run(1.5 * PERIOD_S)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state + shift))
    scene.run(2.0)
    refused = of(scene.log, ChunkOutcome)[-1]
    assert refused.code == "cannot_splice"
    steps = 3 if shift < 0 else 1
    assert (
        f"{steps} steps of chunk 1 were executed from arm state {state + shift}" in refused.reason
    )


@pytest.mark.parametrize("stop", ["hold", "estop", "teleop"])
def test_whoever_stops_the_arm_ends_the_overlap_too(scene, stop):
    state = run_until_overlap(scene)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state))
    scene.run(0.5 * PERIOD_S)
    if stop == "teleop":
        scene.drive(5)
    else:
        getattr(scene.core, stop)()
    scene.run(0.2)
    first, second = [o for o in of(scene.log, ChunkOutcome) if o.chunk.agent_epoch]
    assert (first.result, second.result) == (ChunkResult.PREEMPTED,) * 2
    assert second.steps == 0
    scene.core.clear_estop("ada")
    scene.teleop(active=False)
    scene.run(0.2)
    assert scene.core.resume().success
    scene.core.on_chunk(chunk_at(1, 3, OVERLAP, arm_state_sequence=state, follows=1))
    scene.run(1.0)
    assert of(scene.log, ChunkOutcome)[-1].code == "cannot_splice", "it moved meanwhile"


def test_a_jump_of_the_velocity_is_refused_with_its_size(scene):
    state = run_until_overlap(scene)
    actions = planned(1)
    actions[OVERLAP, 4] = 0.99
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state, actions=actions.ravel()))
    scene.run(2.0)
    assert of(scene.log, ChunkOutcome)[-1].result is ChunkResult.COMPLETED, "smoothed as ever"
    strict = HardwareScene(overlap_steps=OVERLAP, execute_steps=STEPS, max_seam=1.0)
    strict.core.resume()
    state = run_until_overlap(strict)
    strict.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state, actions=actions.ravel()))
    strict.run(2.0)
    refused = of(strict.log, ChunkOutcome)[-1]
    assert (refused.code, refused.steps) == ("seam_too_large", 0)
    assert "by 1.98 times what one control period may change, allowed are 1" in refused.reason
    assert len(moves(strict.log)) == STEPS


def test_a_jump_of_a_joint_counts_in_what_its_acceleration_allows():
    """The first may change by 5 rad/s^2 in a fifteenth of a second; the unit is 3 rad/s."""
    space = action_space_of(FRANKA_CONFIG)
    row = np.zeros(8)
    row[0] = 0.5
    still = Motion.at_rest(Setpoint(np.zeros(3), np.array([0, 0, 0, 1.0]), 1.0, np.zeros(7)))
    assert space.jump(row, still) == pytest.approx(1.5 / (5.0 / 15.0))
    moving = replace(still, joint_velocity_rad_s=np.array([1.5, *[0.0] * 6]))
    assert space.jump(row, moving) == pytest.approx(0.0)


def test_in_lock_step_the_state_is_exact_and_the_world_waits_for_a_slow_policy():
    scene = LockStepScene(overlap_steps=OVERLAP, execute_steps=STEPS)
    scene.core.resume()
    scene.core.on_chunk(chunk_at(0, 1, arm_state_sequence=scene.sequence))
    log = scene.settle()
    state = scene.core.status().overlap_state
    assert (state, scene.sequence) == (2, 4)
    scene.core.on_chunk(chunk_at(1, 2, OVERLAP, arm_state_sequence=state))
    log += scene.settle()
    assert scene.core.status().overlap_state == 5
    scene.core.on_chunk(chunk_at(4, 3, OVERLAP, arm_state_sequence=5))
    log += scene.settle()
    np.testing.assert_allclose(executed(log), planned(0, 3 * STEPS), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"overlap_steps": 3, "execute_steps": 3}, "overlap_steps is 3, but only 3 .* at most 2"),
        (
            {"overlap_steps": 4, "execute_steps": 5},
            "after it come execute_steps = 5 of a chunk's 8",
        ),
        ({"max_seam": 11.0}, "max_seam is 11"),
        ({"overlap_steps": -1}, "overlap_steps is -1"),
    ],
)
def test_an_overlap_that_cannot_be_is_refused_at_the_start(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(CONFIG, **changes)
    assert replace(FRANKA_CONFIG, overlap_steps=2).overlap_steps == 2


class Agent:
    """Asks as ours does: before the end of a chunk, and from a standing arm after a refusal."""

    def __init__(self, overlap: int) -> None:
        self.scene = HardwareScene(overlap_steps=overlap, execute_steps=STEPS, max_chunk_age_s=0.8)
        self.scene.core.resume()
        self._overlap, self._sequence = overlap, 0
        self._begins: dict[int, int] = {}

    def next_chunk(self) -> Any:
        """The chunk to send when the policy has answered; what it was asked is of now."""
        status, before = self.scene.core.status(), self._sequence
        self._sequence += 1
        continues = bool(status.overlap_state) and status.started[1] == before
        if continues:
            begins = self._begins[before] + STEPS
            step, state, rows = begins - self._overlap, status.overlap_state, self._overlap
        else:
            begins = step = len(moves(self.scene.log))
            state, rows = self.scene.sequence, 0
        self._begins[self._sequence] = begins
        return chunk_at(step, self._sequence, rows, arm_state_sequence=state)

    def wait(self) -> None:
        """Until the next chunk can be asked for: the arm is in the overlap, or stands."""
        for _ in range(200):
            self.scene.tick()
            ended = [o.chunk.sequence for o in of(self.scene.log, ChunkOutcome)]
            status = self.scene.core.status()
            runs = status.started[1] == self._sequence and self._sequence not in ended
            if (runs and status.overlap_state) or self._sequence in ended:
                return
        raise AssertionError(f"chunk {self._sequence} neither runs nor has an outcome")


@settings(deadline=None, max_examples=40 * MORE_EXAMPLES)
@given(
    delays=st.lists(st.integers(0, 45), min_size=2, max_size=8),
    overlap=st.integers(1, STEPS - 1),
    events=st.lists(st.sampled_from(["", "", "hold", "other rows", "again"]), max_size=8),
)
def test_whatever_the_delays_every_wanted_step_is_made_once_and_in_order(delays, overlap, events):
    agent = Agent(overlap)
    scene, sent = agent.scene, list[Any]()
    for delay, event in itertools.zip_longest(delays, events[: len(delays)], fillvalue=""):
        chunk = agent.next_chunk()
        scene.run(delay * CONFIG.tick_period_s)
        if event == "hold":
            scene.core.hold()
            scene.run(0.3)
            scene.core.resume()
        elif event == "again" and sent:
            scene.core.on_chunk(sent[-1])
        if event == "other rows" and chunk.follows:
            actions = np.roll(chunk.actions, 7)
            chunk = replace(chunk, actions=actions)
        scene.core.on_chunk(chunk)
        sent.append(chunk)
        agent.wait()
    scene.run(2.0)
    xs_m = [command.target.position_m[0] for command in moves(scene.log)]
    made = np.diff([0.275, *xs_m])
    np.testing.assert_allclose(made, planned(0, len(made))[:, 0], atol=1e-6)
    outcomes = of(scene.log, ChunkOutcome)
    assert sorted({o.chunk.sequence for o in outcomes}) == list(range(1, len(delays) + 1))
    assert {o.code for o in outcomes} <= {"", "hold", "cannot_splice", "too_old", "out_of_sequence"}
