"""What a person drives within an episode becomes transitions without a gap."""

from itertools import pairwise

import numpy as np
import pytest

from tmrl_agent.events import EpisodeView
from tmrl_agent.requests import AskChunk, FailedAnswer
from tmrl_agent.testing import STEP_NS, STEPS, World, made_label, made_segment
from tmrl_common.chunks import ChunkResult, ControllerMode, Driver, Origin
from tmrl_common.transitions import check
from tmrl_common.types import Outcome, SteeringSource


@pytest.fixture
def world():
    made = World()
    made.run(1)
    return made


def begin_with_a_chunk(world, steps=2):
    """A chunk of which the policy executes some steps before a person takes over."""
    world.see(0)
    world.answer(0)
    world.see(steps)
    world.end(0, steps=steps, result=ChunkResult.PREEMPTED, code="teleop")
    assert isinstance(world.asked[-1], AskChunk), "who drives is not known yet"
    world.let_go(0, ControllerMode.TELEOP)
    world.answer(steps)
    assert len(world.sent) == 1


def check_gapless(transitions, states):
    """Every transition begins with the state that the one before it ended with."""
    starts = [t.features[0] for t in transitions]
    assert [*starts, transitions[-1].next_features[0]] == states
    for earlier, later in pairwise(transitions):
        np.testing.assert_array_equal(earlier.next_features, later.features)
        assert later.chunk == earlier.chunk + 1
        assert later.sequence == earlier.sequence + 1


def test_a_take_over_in_a_chunk_is_recorded_segment_by_segment(world):
    begin_with_a_chunk(world)
    world.drive(1, 2)
    world.encode()
    world.drive(2, 7, steps=3, whole=False)
    world.let_go(2, ControllerMode.HOLD)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=3)))

    transitions = world.transitions
    check_gapless(transitions, [0, 2, 7, 10])
    assert [t.origin for t in transitions] == [Origin.POLICY, Origin.HUMAN, Origin.HUMAN]
    for human in transitions[1:]:
        check(human)
        assert human.z.size == human.epsilon.size == 0
        assert human.steering is SteeringSource.NONE
        assert set(human.driver.tolist()) == {Driver.TELEOP}
        assert human.reward == -1.0
        assert human.policy_version == "policy"
    assert [len(t.executed_actions) for t in transitions] == [2, 5, 3]
    assert [t.episode_outcome for t in transitions][-1] is Outcome.FAILURE
    assert transitions[-1].truncated


def test_a_take_over_before_any_chunk_is_recorded_too(world):
    world.see(0)
    world.drive(1, 0)
    world.do(world.core.on_answer(FailedAnswer(world.asked[-1].request, "too late")))
    world.clock.advance(1.0)
    world.do(world.core.tick())
    world.encode()
    world.drive(2, 5)
    world.encode()
    world.let_go(2, ControllerMode.HOLD)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=2)))

    check_gapless(world.transitions, [0, 5, 10])
    assert {t.origin for t in world.transitions} == {Origin.HUMAN}


def test_a_person_who_solves_the_task_ends_the_episode_with_their_last_segment(world):
    begin_with_a_chunk(world)
    world.drive(1, 2)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, after_chunks=9 / STEPS)))
    assert world.transitions[-1].episode_outcome is Outcome.PENDING, "a segment is still to come"
    world.drive(2, 7, steps=2, whole=False)
    world.let_go(2, ControllerMode.HOLD)
    world.encode()

    last = world.transitions[-1]
    assert (last.origin, last.reward, last.terminated) == (Origin.HUMAN, 0.0, True)
    assert last.episode_outcome is Outcome.SUCCESS
    check_gapless(world.transitions, [0, 2, 7, 9])


@pytest.mark.parametrize("outcome_first", [True, False])
def test_a_label_waits_for_the_segment_that_is_on_its_way(world, outcome_first):
    begin_with_a_chunk(world)
    world.drive(1, 2)
    world.encode()
    world.let_go(2, ControllerMode.HOLD) if not outcome_first else None
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, after_chunks=9 / STEPS)))
    for state in (8, 9):
        world.see(state)
    world.do(world.core.on_outcome(made_segment(2, 7, 2, whole=False)))
    world.let_go(2, ControllerMode.HOLD) if outcome_first else None
    world.encode()

    assert [t.episode_outcome for t in world.transitions][-1] is Outcome.SUCCESS
    check_gapless(world.transitions, [0, 2, 7, 9])


def test_a_label_does_not_wait_when_the_person_let_go_between_two_segments(world):
    begin_with_a_chunk(world)
    world.drive(1, 2)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, after_chunks=7 / STEPS)))
    world.let_go(1, ControllerMode.HOLD)

    assert world.transitions[-1].episode_outcome is Outcome.SUCCESS


def test_the_policy_continues_with_the_observation_after_the_last_segment(world):
    begin_with_a_chunk(world)
    world.drive(1, 2, steps=3, whole=False)
    world.let_go(1)
    world.encode()
    assert isinstance(world.asked[-1], AskChunk)
    world.answer(5)
    assert world.sent[-1].chunk == 2
    world.see(10)
    world.end(1)
    world.answer(10)
    world.see(15)
    world.end(2)

    check_gapless(world.transitions[:3], [0, 2, 5, 10])


def test_segments_wait_for_a_policy_server_that_is_away(world):
    begin_with_a_chunk(world)
    for number in range(1, 6):
        world.drive(number, 2 + STEPS * (number - 1))
    assert len(world.transitions) == 1
    world.let_go(5, ControllerMode.HOLD)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=9)))

    check_gapless(world.transitions, [0, 2, 7, 12, 17, 22, 27])


def test_what_a_person_drives_outside_of_an_episode_is_none_of_it(world):
    begin_with_a_chunk(world)
    world.leave()
    world.drive(1, 30)
    world.let_go(1, ControllerMode.HOLD)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=2)))
    world.run(2, first=40)

    assert [t.origin for t in world.transitions] == [Origin.POLICY]


def test_what_a_person_drives_before_the_agent_has_joined_the_episode_is_kept(world):
    begin_with_a_chunk(world, steps=5)
    world.disk_is_full = True
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=1)))
    world.do(world.core.on_episode(EpisodeView(2, running=True, started_ns=10 * STEP_NS)))
    world.drive(1, 10)
    world.disk_is_full = False
    world.clock.advance(1.0)
    world.do(world.core.tick())
    world.encode()
    world.drive(2, 15)
    world.let_go(2, ControllerMode.HOLD)
    world.encode()
    world.do(world.core.on_label(made_label(2, Outcome.FAILURE, after_chunks=4)))

    second = [t for t in world.transitions if t.episode == 2]
    check_gapless(second, [10, 15, 20])
    assert second[0].chunk == 0


def test_a_segment_whose_beginning_nobody_saw_is_kept_and_not_learned_from(world):
    begin_with_a_chunk(world)
    world.let_go(0, ControllerMode.HOLD)
    world.see(100)
    world.do(world.core.on_outcome(made_segment(1, 50)))
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, after_chunks=11)))

    last = world.transitions[-1]
    assert (last.origin, last.aborted, last.terminated) == (Origin.HUMAN, True, False)
    assert last.features.shape == last.next_features.shape == world.transitions[0].features.shape
    assert len(last.executed_actions) == STEPS


def test_segments_that_come_before_the_arm_states_of_them_lose_nothing(world):
    """Each topic has its queue: an agent that is behind may read the outcomes first."""
    begin_with_a_chunk(world)
    world.do(world.core.on_outcome(made_segment(1, 2)))
    world.do(world.core.on_outcome(made_segment(2, 7)))
    world.do(world.core.on_outcome(made_segment(3, 12, 2, whole=False)))
    world.let_go(3)
    for state in range(3, 15):
        assert len(world.sent) == 1, "no chunk begins before what was driven has been seen"
        world.see(state)
        world.encode()
    world.answer(14)
    world.see(19)
    world.end(3)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=4)))

    assert not any(t.aborted for t in world.transitions[:-1])
    check_gapless(world.transitions[:4], [0, 2, 7, 12, 14])


def test_a_label_waits_for_a_segment_that_came_before_its_arm_states(world):
    begin_with_a_chunk(world)
    world.do(world.core.on_outcome(made_segment(1, 7)))
    world.let_go(1, ControllerMode.HOLD)
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, after_chunks=12 / STEPS)))
    for state in range(3, 13):
        world.see(state)
    world.encode()

    last = world.transitions[-1]
    assert (last.origin, last.aborted, last.terminated) == (Origin.HUMAN, False, True)


def test_a_driver_that_was_started_again_lets_no_segment_wait(world):
    begin_with_a_chunk(world)
    world.do(world.core.on_outcome(made_segment(1, 5000)))
    world.let_go(1, ControllerMode.HOLD)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=5001)))

    assert world.transitions[-1].aborted


def test_a_doubled_segment_changes_nothing(world):
    begin_with_a_chunk(world)
    world.drive(1, 2)
    world.do(world.core.on_outcome(made_segment(1, 2)))
    world.encode()
    world.let_go(1, ControllerMode.HOLD)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=9)))

    check_gapless(world.transitions, [0, 2, 7])


def test_objects_that_are_behind_the_arm_lose_no_segment(world):
    begin_with_a_chunk(world)
    for state in range(3, 9):
        world.see(state, objects=False)
    world.do(world.core.on_outcome(made_segment(1, 2)))
    world.let_go(1, ControllerMode.HOLD)
    for state in range(3, 9):
        world.show_objects(state)
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, after_chunks=9)))

    check_gapless(world.transitions, [0, 2, 7])
    assert not any(t.aborted for t in world.transitions)
