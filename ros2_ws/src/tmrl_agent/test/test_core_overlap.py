"""The next chunk is asked for while the one before it runs: what is asked, sent and recorded."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmrl_agent.requests import AskChunk, AskFeatures, ChunkAnswer, FailedAnswer
from tmrl_agent.testing import CAPS, STEPS, World, made_config, made_end, made_label, made_reply
from tmrl_common.chunks import ChunkResult, ControllerMode, RefusalCode
from tmrl_common.errors import ConfigError
from tmrl_common.types import Outcome

OVERLAP = 2


class Overlapping(World):
    """A world whose controller says when a chunk can be continued."""

    def __init__(self, **changes):
        super().__init__(**{"overlap_steps": OVERLAP, "execute_steps": STEPS} | changes)
        self.run()

    def reply(self, number):
        """Answers the newest question for a chunk; each row has the number of its step in it."""
        asked = self.asked[-1]
        assert isinstance(asked, AskChunk)
        reply = made_reply(number)
        first = asked.observation.arm_state_sequence
        actions = np.full((8, 7), np.arange(8)[:, None] + first, np.float32)
        reply = replace(reply, actions=actions)
        self.do(self.core.on_answer(ChunkAnswer(asked.request, reply, 0.02)))

    def report(self, sequence, overlap_state=0, mode=ControllerMode.POLICY):
        """The controller reports that a chunk has begun, and from where on it can be continued."""
        view = replace(CAPS, mode=mode, started_sequence=sequence, overlap_state=overlap_state)
        self.do(self.core.on_controller(view))

    def finish(self, chunk, steps=STEPS, result=ChunkResult.COMPLETED, code=""):
        """The controller reports the end of a chunk, whichever is the newest."""
        end = made_end(chunk + 1, chunk, steps, result, code)
        self.do(self.core.on_outcome(end))

    def until_overlap(self, chunk=0):
        """The chunk of that number runs until the next one was asked for."""
        begin = chunk * STEPS
        if chunk == 0:
            self.see(0)
            self.reply(0)
        self.report(chunk + 1)
        for state in range(begin + 1, begin + STEPS - OVERLAP + 1):
            self.see(state)
        self.report(chunk + 1, begin + STEPS - OVERLAP)


@pytest.fixture
def world():
    return Overlapping()


def test_the_next_chunk_is_asked_for_before_the_running_one_ends(world):
    world.until_overlap()
    first, second = world.asked
    assert first.committed.size == 0
    assert second.observation.arm_state_sequence == 3
    np.testing.assert_array_equal(second.committed[:, 0], [3.0, 4.0])
    world.reply(3)
    assert [(s.chunk, s.sequence, s.follows, s.committed_steps) for s in world.sent] == [
        (0, 1, 0, 0),
        (1, 2, 1, OVERLAP),
    ]
    assert world.transitions == [], "the first has not ended"


def test_what_the_next_chunk_was_decided_on_is_what_came_of_the_one_before(world):
    chunks = 4
    world.until_overlap()
    for chunk in range(1, chunks):
        world.reply(chunk * STEPS - OVERLAP)
        world.see(chunk * STEPS)
        world.finish(chunk - 1)
        world.until_overlap(chunk)
    assert all(isinstance(asked, AskChunk) for asked in world.asked), "nothing else is encoded"
    stored = world.transitions
    assert [t.chunk for t in stored] == [0, 1]
    assert [t.delay_steps for t in stored] == [0, OVERLAP]
    assert [t.features[0] for t in stored] == [0.0, 3.0]
    assert [t.next_features[0] for t in stored] == [3.0, 8.0]
    assert world.reason == ""


def test_the_committed_rows_of_a_chunk_that_continues_are_its_own_last_ones(world):
    world.until_overlap()
    world.reply(3)
    world.see(5)
    world.finish(0)
    world.until_overlap(1)
    third = world.asked[-1]
    assert third.observation.arm_state_sequence == 8
    np.testing.assert_array_equal(third.committed[:, 0], [8.0, 9.0])


@pytest.mark.parametrize("outcome_first", [True, False])
def test_outcome_and_status_may_come_in_any_order(world, outcome_first):
    world.until_overlap()
    world.reply(3)
    world.see(5)
    if outcome_first:
        world.finish(0)
        world.see(6)
        world.report(2)
    else:
        world.see(6)
        world.report(2)
        world.finish(0)
    world.leave()
    world.see(10)
    world.finish(1)
    world.do(world.core.on_label(made_label(1, Outcome.TIMEOUT, 2.0)))
    world.encode()
    assert [t.next_features[0] for t in world.transitions] == [3.0, 10.0]
    assert [t.delay_steps for t in world.transitions] == [0, OVERLAP]


def test_a_chunk_that_is_not_continued_is_observed_after_its_end(world):
    """The request failed; the next one is made from a standing arm."""
    world.until_overlap()
    asked = world.asked[-1]
    world.do(world.core.on_answer(FailedAnswer(asked.request, "no answer in time")))
    assert world.reason == "no answer in time"
    assert len(world.asked) == 2, "not asked for again while the chunk runs"
    world.see(5)
    world.finish(0)
    world.clock.advance(1.0)
    world.do(world.core.tick())
    assert world.asked[-1].observation.arm_state_sequence == 5
    assert world.asked[-1].committed.size == 0
    world.reply(5)
    assert (world.sent[-1].chunk, world.sent[-1].follows) == (1, 0)
    assert "chunk 1 was not continued, the arm stood still: no answer" in world.reason
    world.report(2)
    world.leave()
    world.see(10)
    world.finish(1)
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 2.0)))
    world.encode()
    assert [t.next_features[0] for t in world.transitions] == [5.0, 10.0]
    assert [t.delay_steps for t in world.transitions] == [0, 0]


def test_a_refused_continuation_leaves_the_chunk_before_as_it_would_be_alone(world):
    world.until_overlap()
    world.reply(3)
    world.see(5)
    world.finish(0)
    world.finish(1, 0, ChunkResult.REFUSED, RefusalCode.CANNOT_SPLICE)
    assert "was refused (cannot_splice)" in world.reason
    assert world.asked[-1].observation.arm_state_sequence == 5
    world.reply(5)
    assert (world.sent[-1].chunk, world.sent[-1].sequence) == (1, 3)
    world.report(3)
    world.leave()
    world.see(10)
    end = made_end(3, 1)
    world.do(world.core.on_outcome(end))
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 2.0)))
    world.encode()
    assert [(t.chunk, t.features[0], t.next_features[0]) for t in world.transitions] == [
        (0, 0.0, 5.0),
        (1, 5.0, 10.0),
    ]


@pytest.mark.parametrize("answered", [False, True])
def test_whoever_takes_over_ends_both(world, answered):
    world.until_overlap()
    if answered:
        world.reply(3)
    world.report(1, 3, ControllerMode.HOLD)
    world.see(4)
    world.finish(0, 4, ChunkResult.PREEMPTED, "hold")
    if answered:
        world.finish(1, 0, ChunkResult.PREEMPTED, "hold")
    else:
        world.reply(3)
    assert len(world.sent) == (2 if answered else 1), "a late answer is not sent"
    world.encode()
    world.do(world.core.on_label(made_label(1, Outcome.FAILURE, 2.0)))
    world.encode()
    (only,) = world.transitions
    assert only.next_features[0] == 4.0, "what was seen after the real end"
    assert only.executed_actions.shape[0] == 4


def test_a_late_answer_to_what_was_cut_short_is_not_sent_although_the_policy_drives_again(world):
    world.until_overlap()
    world.report(1, 3, ControllerMode.HOLD)
    world.see(4)
    world.finish(0, 4, ChunkResult.PREEMPTED, "hold")
    world.report(1, 3)
    world.reply(3)
    assert len(world.sent) == 1
    assert world.asked[-1].observation.arm_state_sequence == 4


def test_a_success_in_the_tail_belongs_to_the_old_chunk(world):
    world.until_overlap()
    world.reply(3)
    world.see(5)
    world.finish(0)
    world.report(2)
    world.do(world.core.on_label(made_label(1, Outcome.SUCCESS, 0.9)))
    world.leave()
    world.see(7)
    world.finish(1, 2, ChunkResult.PREEMPTED, "hold")
    world.encode()
    (only,) = world.transitions
    assert (only.chunk, only.terminated, only.reward) == (0, True, 0.0)
    assert only.episode_outcome is Outcome.SUCCESS


def test_in_lock_step_a_slow_learner_or_journal_changes_no_delay(world):
    """The world waits where the old chunk ended; what was seen before can still be asked about."""
    world.disk_is_full = True
    world.until_overlap()
    world.reply(3)
    world.see(5)
    world.finish(0)
    world.report(2)
    for state in (6, 7, 8):
        world.see(state)
    world.report(2, 8)
    world.see(10)
    world.finish(1)
    world.do(world.core.on_label(made_label(2, Outcome.FAILURE, 0.0)))
    world.disk_is_full = False
    world.clock.advance(10.0)
    world.do(world.core.tick())
    assert world.asked[-1].observation.arm_state_sequence == 8
    assert world.asked[-1].committed.shape == (OVERLAP, 7)


def test_an_arm_that_stands_is_asked_about_as_it_stands_and_the_status_says_how_late_it_was():
    """Where the world does not wait, an answer that comes late is still sent, and said."""
    world = Overlapping(lock_step=False)
    world.until_overlap()
    world.see(5)
    world.finish(0)
    world.clock.advance(0.25)
    world.see(6)
    world.reply(3)
    assert (world.sent[-1].follows, world.sent[-1].committed_steps) == (1, OVERLAP)
    assert "answered 0.250 s after chunk 1 had ended" in world.reason
    assert "raise overlap_steps (2)" in world.reason
    world.report(2)
    assert world.asked[-1] is not None
    world.see(8)
    world.report(2, 8)
    world.reply(8)
    assert world.reason == "", "the next one came in time"


def test_a_moment_that_nobody_saw_is_not_asked_about():
    """Without lock-step: the camera or the arm was silent for longer than an observation may be."""
    world = Overlapping(lock_step=False)
    world.see(0)
    world.reply(0)
    world.report(1)
    world.report(1, 3)
    world.clock.advance(1.0)
    world.see(4)
    assert len(world.asked) == 1
    world.see(5)
    world.finish(0)
    assert world.asked[-1].observation.arm_state_sequence == 5


def test_chunks_never_overlap_unless_the_rig_says_so():
    world = Overlapping(overlap_steps=0)
    world.until_overlap()
    assert len(world.asked) == 1


def test_an_overlap_as_long_as_the_chunk_is_refused():
    with pytest.raises(ConfigError, match=r"overlap_steps is 5, but only 5 .* at most 4"):
        made_config(overlap_steps=5, execute_steps=5)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.sampled_from(["in time", "late", "failed", "refused", "hold"]), min_size=1, max_size=8
    )
)
def test_whatever_becomes_of_the_continuations_each_chunk_is_recorded_once_and_rightly(fates):
    world, state, chunk = Overlapping(), 0, 0
    world.see(0)
    world.reply(0)
    begins, ends = [0.0], []
    for fate in fates:
        sequence = world.sent[-1].sequence
        world.report(sequence)
        for _ in range(STEPS - OVERLAP):
            state += 1
            world.see(state)
        world.report(sequence, state)
        decided = state
        steps = STEPS - 1 if fate == "hold" else STEPS
        if fate in ("in time", "refused"):
            world.reply(decided)
        elif fate == "failed":
            world.do(world.core.on_answer(FailedAnswer(world.asked[-1].request, "away")))
        state += steps - (STEPS - OVERLAP)
        if fate == "hold":
            world.report(sequence, decided, ControllerMode.HOLD)
        world.see(state)
        result = ChunkResult.PREEMPTED if fate == "hold" else ChunkResult.COMPLETED
        end = replace(made_end(sequence, chunk, steps, result), arm_state_sequence=state)
        world.do(world.core.on_outcome(end))
        if fate == "late":
            world.reply(decided)
        if fate == "refused":
            refused = made_end(sequence + 1, chunk + 1, 0, ChunkResult.REFUSED, "cannot_splice")
            world.do(world.core.on_outcome(replace(refused, arm_state_sequence=state)))
        if fate == "hold":
            world.report(sequence, decided)
            world.reply(decided)
        world.clock.advance(5.0)
        world.do(world.core.tick())
        if fate in ("failed", "refused", "hold"):
            asked = world.asked[-1]
            assert (asked.committed.size, asked.observation.arm_state_sequence) == (0, state)
            world.reply(state)
        begins.append(float(state if fate in ("failed", "refused", "hold") else decided))
        ends.append((fate, steps))
        chunk += 1
    world.report(world.sent[-1].sequence)
    world.leave()
    state += STEPS
    world.see(state)
    end = replace(made_end(world.sent[-1].sequence, chunk), arm_state_sequence=state)
    world.do(world.core.on_outcome(end))
    world.do(world.core.on_label(made_label(1, Outcome.TIMEOUT, chunk + 1.0)))
    world.encode()
    stored = world.transitions
    assert [t.chunk for t in stored] == list(range(chunk + 1))
    assert [t.features[0] for t in stored] == begins
    assert [t.next_features[0] for t in stored] == [*begins[1:], float(state)]
    spliced = [fate in ("in time", "late") for fate, _ in ends]
    assert [t.delay_steps for t in stored] == [0, *(OVERLAP * each for each in spliced)]
    assert [len(t.executed_actions) for t in stored] == [*(steps for _, steps in ends), STEPS]
    assert not any(isinstance(asked, AskFeatures) for asked in world.asked)
