"""The agent's decisions in a small world that plays driver, controller, operator and server."""

import numpy as np
import pytest

from tmrl_agent.assembly import Reading
from tmrl_agent.events import ControllerView, EpisodeView
from tmrl_agent.requests import AskChunk, AskFeatures, ChunkAnswer, FailedAnswer
from tmrl_agent.testing import (
    CAPS,
    CHUNK_NS,
    STEPS,
    World,
    made_config,
    made_end,
    made_label,
    made_reply,
)
from tmrl_common.chunks import ChunkResult, ControllerMode, RefusalCode
from tmrl_common.types import Outcome


@pytest.fixture
def world():
    made = World()
    made.run()
    return made


def test_a_running_episode_alternates_between_asking_sending_and_waiting(world):
    world.play(3)
    assert [type(a) for a in world.asked] == [AskChunk] * 4
    assert [(s.chunk, s.sequence) for s in world.sent] == [(0, 1), (1, 2), (2, 3)]
    assert [s.arm_state_sequence for s in world.sent] == [0, 5, 10]
    assert [t.chunk for t in world.transitions] == [0, 1], "the newest is held back"


def test_nothing_is_asked_before_an_episode_runs():
    world = World()
    world.do(world.core.on_controller(CAPS))
    world.see(0)
    assert world.asked == []


def test_nothing_is_asked_without_the_controllers_caps():
    world = World()
    world.do(world.core.on_episode(EpisodeView(1, running=True)))
    world.see(0)
    assert world.asked == []
    world.clock.advance(10.0)
    world.do(world.core.tick())
    world.clock.advance(10.0)
    assert "controller/status" in world.reason


def test_nothing_is_asked_while_nobody_would_hear_the_chunk():
    world = World()
    world.do(world.core.on_listeners(0))
    assert "nobody listens to policy/chunk" in world.reason, "the operator waits for that"
    world.run()
    world.see(0)
    assert world.asked == []
    world.do(world.core.on_listeners(1))
    assert world.reason == ""
    assert [type(a) for a in world.asked] == [AskChunk]


@pytest.mark.parametrize("mode", [m for m in ControllerMode if m is not ControllerMode.POLICY])
def test_nothing_is_asked_while_the_controller_would_not_drive(mode):
    world = World()
    world.run()
    world.do(world.core.on_controller(ControllerView(mode, 0.5, 2.0, 5.0)))
    world.see(0)
    assert world.asked == []


def test_a_chunk_that_comes_after_a_hold_is_not_sent(world):
    world.see(0)
    world.do(world.core.on_controller(ControllerView(ControllerMode.HOLD, 0.5, 2.0, 5.0)))
    world.answer(0)
    assert world.sent == []


def test_observations_of_the_scene_before_the_reset_are_not_used():
    world = World()
    world.see(3)
    world.run(first=7)
    assert world.asked == []
    world.see(7)
    assert world.asked[-1].observation.arm_state_sequence == 7


def test_the_next_observation_is_the_one_after_the_last_step(world):
    world.see(0)
    world.answer(0)
    world.see(3)
    world.end(0)
    assert len(world.asked) == 1, "state 3 lies before the end of the chunk at state 5"
    world.see(5)
    assert world.asked[-1].observation.arm_state_sequence == 5


def test_lock_step_joins_only_parts_of_one_stamp(world):
    world.see(0, objects=False)
    assert world.asked == []
    world.do(world.core.on_objects(Reading(0, 0.0, {"carrot.x": 0.5})))
    np.testing.assert_array_equal(world.asked[0].observation.context, np.float32([0.5]))


def test_the_controllers_caps_travel_with_the_request(world):
    world.see(0)
    limits = world.asked[0].limits
    assert (limits.sigma_cap, limits.z_cap) == (CAPS.sigma_cap, CAPS.z_cap)
    assert limits.epsilon_cap == made_config().epsilon_cap < CAPS.epsilon_cap


def test_lowered_caps_hold_for_the_next_request(world):
    world.do(world.core.on_controller(ControllerView(ControllerMode.POLICY, 0.25, 1.0, 0.75)))
    world.see(0)
    limits = world.asked[0].limits
    assert (limits.sigma_cap, limits.z_cap, limits.epsilon_cap) == (0.25, 1.0, 0.75)


def test_the_same_chunk_of_the_same_session_has_the_same_seed():
    seeds = []
    for seed in (1, 1, 2):
        world = World(seed=seed)
        world.run()
        world.play(2)
        seeds.append([a.seed for a in world.asked])
    assert seeds[0] == seeds[1]
    assert seeds[0] != seeds[2]
    assert len(set(seeds[0])) == len(seeds[0])


def test_after_the_time_limit_no_chunk_is_asked_but_the_last_observation_is_encoded():
    world = World()
    world.run(time_limit_ns=2 * CHUNK_NS)
    world.play(2)
    assert isinstance(world.asked[-1], AskFeatures)
    world.answer(2)
    world.do(world.core.on_label(made_label(1, Outcome.TIMEOUT, 2.0)))
    last = world.transitions[-1]
    assert last.truncated
    assert last.next_features[0] == 2


def test_the_last_observation_is_kept_although_the_scene_is_reset_before_it_is_needed(world):
    world.play(1)
    world.leave()
    world.answer(1)
    world.see(100)
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, 1.0)))
    assert world.transitions[-1].terminated
    assert world.transitions[-1].next_features[0] == 1


def test_the_next_episode_begins_after_the_last_observation_of_the_one_before_was_encoded(world):
    world.play(1)
    world.do(world.core.on_answer(FailedAnswer(world.asked[-1].request, "silent")))
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 1.0)))
    world.see(50)
    world.run(episode=2, first=50)
    world.clock.advance(1.0)
    world.do(world.core.tick())
    asked = world.asked[-1]
    assert isinstance(asked, AskFeatures)
    assert asked.observation.arm_state_sequence == STEPS
    world.answer(1)
    assert world.transitions[-1].truncated
    assert isinstance(world.asked[-1], AskChunk)
    assert world.asked[-1].observation.arm_state_sequence == 50


def test_an_end_that_was_never_seen_is_aborted_once_the_next_episode_begins(world):
    world.see(0)
    world.answer(0)
    world.end(0)
    world.do(world.core.on_label(made_label(1, Outcome.TIMEOUT, 1.0)))
    world.see(50)
    world.run(episode=2, first=50)
    assert world.transitions[-1].aborted
    assert world.transitions[-1].episode_outcome is Outcome.TIMEOUT


def test_an_end_that_was_never_seen_is_aborted_after_a_while_when_no_episode_follows(world):
    world.see(0)
    world.answer(0)
    world.end(0)
    world.leave()
    world.do(world.core.on_label(made_label(1, Outcome.TIMEOUT, 1.0)))
    world.clock.advance(6.0)
    world.do(world.core.tick())
    assert world.transitions[-1].aborted


def test_what_follows_a_takeover_is_not_taken_for_the_end_of_the_chunk(world):
    world.see(0)
    world.answer(0)
    world.do(world.core.on_controller(ControllerView(ControllerMode.TELEOP, 0.5, 2.0, 5.0)))
    world.see(3)
    world.do(world.core.on_outcome(made_end(1, 0, 3, ChunkResult.PREEMPTED, "teleop")))
    assert isinstance(world.asked[-1], AskFeatures)
    assert world.asked[-1].observation.arm_state_sequence == 3
    world.see(40)
    world.do(world.core.on_controller(CAPS))
    world.answer(3)
    assert world.asked[-1].observation.arm_state_sequence == 40
    world.answer(8)
    world.see(45)
    world.end(1)
    assert world.transitions[0].next_features[0] == 3


def test_a_refused_chunk_is_asked_again_within_the_controllers_caps():
    world = World(request_sigma_cap=1.0, request_z_cap=9.0)
    world.run()
    world.see(0)
    assert (world.asked[0].limits.sigma_cap, world.asked[0].limits.z_cap) == (1.0, 9.0)
    world.answer(0)
    world.end(0, steps=0, result=ChunkResult.REFUSED, code="sigma_above_cap")
    limits = world.asked[1].limits
    assert (limits.sigma_cap, limits.z_cap) == (CAPS.sigma_cap, CAPS.z_cap)
    assert world.asked[1].seed != world.asked[0].seed
    world.answer(0)
    assert [(s.chunk, s.sequence) for s in world.sent] == [(0, 1), (0, 2)]
    assert world.reason == ""


def refuse_for_good(world):
    world.see(0)
    for _ in range(4):
        world.answer(0)
        world.end(0, steps=0, result=ChunkResult.REFUSED, code="z_above_cap")


def test_too_many_refusals_stop_the_asking_and_are_reported(world):
    refuse_for_good(world)
    assert len(world.asked) == 4
    assert "z_above_cap" in world.reason
    assert world.transitions == []


@pytest.mark.parametrize("change", ["caps", "episode"])
def test_after_refusals_something_has_to_change(world, change):
    refuse_for_good(world)
    if change == "caps":
        world.do(world.core.on_controller(ControllerView(ControllerMode.POLICY, 1.0, 5.0, 5.0)))
    else:
        world.run(episode=2, first=0)
    assert len(world.asked) == 5
    assert world.reason == ""


def pause_before_the_next_question(world):
    count, waited_s = len(world.asked), 0.0
    while len(world.asked) == count:
        world.clock.advance(0.05)
        waited_s += 0.05
        world.do(world.core.tick())
    return waited_s


def test_a_chunk_that_overtook_its_arm_state_is_tried_again_after_growing_pauses(world):
    world.see(0)
    pauses = []
    for _ in range(5):
        world.answer(0)
        world.end(0, steps=0, result=ChunkResult.REFUSED, code=RefusalCode.UNKNOWN_ARM_STATE)
        pauses.append(pause_before_the_next_question(world))
    assert pauses == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0], abs=0.06)
    assert "unknown_arm_state" in world.reason, "the operator ends what lasts"
    world.answer(0)
    world.end(STEPS)
    assert world.reason == ""


def test_a_silent_server_is_asked_again_after_growing_pauses(world):
    world.see(0)
    pauses = []
    for _ in range(4):
        world.do(world.core.on_answer(FailedAnswer(world.asked[-1].request, "no answer")))
        assert world.reason == "no answer"
        pauses.append(pause_before_the_next_question(world))
    assert pauses == pytest.approx([0.25, 0.5, 1.0, 2.0], abs=0.06)
    assert world.sent == []
    world.answer(0)
    assert world.reason == ""
    assert len(world.sent) == 1


def test_an_answer_to_a_question_of_an_earlier_episode_is_dropped(world):
    world.see(0)
    world.do(world.core.on_label(made_label(1, Outcome.ABORTED, 0.0)))
    world.see(20)
    world.run(episode=2, first=20)
    stale = world.asked[0].request
    world.do(world.core.on_answer(ChunkAnswer(stale, made_reply(0), 0.02)))
    assert world.sent == []
    world.answer(4)
    assert [(s.episode, s.arm_state_sequence) for s in world.sent] == [(2, 20)]


def test_a_full_disk_stops_the_asking_and_everything_is_written_in_order_later(world):
    world.disk_is_full = True
    world.play(2)
    world.see(2 * STEPS)
    assert len(world.asked) == 2, "nothing is begun that could not be kept"
    assert world.reason == "no room left"
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 2.0)))
    assert world.written == []
    world.disk_is_full = False
    world.clock.advance(60.0)
    world.do(world.core.tick())
    world.answer(2)
    assert [t.sequence for t in world.transitions] == [1, 2]
    assert world.transitions[-1].episode_outcome is Outcome.FAILURE
    assert world.reason == ""


def test_a_label_counts_before_the_journal_can_take_it(world):
    world.play(1)
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, 2.0)))
    world.answer(1)
    world.run(2, first=STEPS + 1)
    world.see(2 * STEPS)
    world.disk_is_full = True
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 2.0, revision=1)))
    world.do(world.core.on_label(made_label(2, Outcome.SUCCESS, 3.0)))
    world.answer(2)
    assert [s.episode for s in world.sent] == [1], "a chunk of an episode that was over"


def test_an_episode_from_before_a_restart_is_not_joined_but_the_next_one_is():
    world = World(last_episode=4, next_sequence=71)
    world.run(episode=4)
    world.see(0)
    assert world.asked == []
    world.clock.advance(1.0)
    world.do(world.core.tick())
    world.clock.advance(6.0)
    assert "began before this agent" in world.reason
    world.run(episode=5)
    world.play(2)
    assert world.transitions[0].sequence == 71


def test_a_missing_outcome_is_reported(world):
    world.see(0)
    world.answer(0)
    world.do(world.core.tick())
    assert world.reason == ""
    world.clock.advance(6.0)
    assert "no outcome yet" in world.reason


def test_an_intervention_may_last_as_long_as_the_person_likes(world):
    teleop = ControllerView(ControllerMode.TELEOP, 0.5, 2.0, 5.0)
    world.see(0)
    world.answer(0)
    world.see(3)
    world.end(0, steps=3, result=ChunkResult.PREEMPTED, code="teleop")
    world.do(world.core.on_controller(teleop))
    world.answer(3)
    for _ in range(60):
        world.do(world.core.on_controller(teleop))
        world.clock.advance(1.0)
        assert world.reason == ""
        assert world.core.status().waits_for == "the person who drives, to let go"
    world.do(world.core.on_controller(CAPS))
    assert isinstance(world.asked[-1], AskChunk)


@pytest.mark.parametrize("trouble", ["refused", "no outcome", "no answer"])
def test_what_kept_one_episode_from_going_on_is_forgotten_with_it(world, trouble):
    if trouble == "refused":
        refuse_for_good(world)
    else:
        world.see(0)
    if trouble == "no outcome":
        world.answer(0)
        world.do(world.core.tick())
        world.clock.advance(6.0)
    if trouble == "no answer":
        world.do(world.core.on_answer(FailedAnswer(world.asked[-1].request, "no answer")))
    assert world.reason
    world.do(world.core.on_label(made_label(1, Outcome.ABORTED, 0.5)))
    world.leave()
    assert world.reason == ""
    world.clock.advance(6.0)
    world.see(20)
    world.run(episode=2, first=20)
    assert world.asked[-1].observation.arm_state_sequence == 20


def test_what_was_held_back_is_handed_out_at_the_end(world):
    world.play(2)
    (record,) = world.core.close()
    assert [t.chunk for t in record.transitions] == [1]
    assert record.transitions[0].aborted
