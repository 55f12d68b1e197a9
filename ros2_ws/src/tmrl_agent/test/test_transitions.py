"""Trajectories of events in, transitions out."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_agent.testing import features_of, made_chunk, made_end, made_label
from tmrl_agent.transitions import TransitionBuilder
from tmrl_common.chunks import ChunkResult, Driver, Origin
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome


@dataclass
class Session:
    """A builder with everything that it has recorded, as the journal would hold it."""

    transitions: list[Transition] = field(default_factory=list)
    labels: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self):
        self.builder = TransitionBuilder("widowx", "run", 1, {}, self.last_of)
        self.sent = 0

    def keep(self, record):
        self.transitions += record.transitions
        if record.label is not None:
            self.labels.append((record.label.episode, record.label.revision))

    def last_of(self, episode):
        found = [t for t in self.transitions if t.episode == episode]
        labelled = [t for t in found if t.episode_outcome is not Outcome.PENDING]
        return max(labelled or found, key=lambda t: (t.chunk, t.revision), default=None)

    def send(self):
        """Asks for the next chunk, which also shows what was seen after the one before."""
        chunk = self.builder.next_chunk
        self.sent += 1
        sent = made_chunk(self.builder.episode, chunk, self.sent)
        self.keep(self.builder.seen_next(sent.reply.features))
        self.builder.sent(sent)

    def end(self, steps=5, result=ChunkResult.COMPLETED):
        self.keep(self.builder.ended(made_end(self.sent, self.builder.next_chunk, steps, result)))

    def run(self, chunks):
        for _ in range(chunks):
            self.send()
            self.end()

    def see(self):
        self.keep(self.builder.seen_next(features_of(self.builder.next_chunk)))

    def label(self, outcome, after_chunks, revision=0, episode=1):
        self.keep(self.builder.labelled(made_label(episode, outcome, after_chunks, revision)))

    def content(self):
        """Newest revision of each chunk, in order."""
        newest = {}
        for t in self.transitions:
            newest[t.episode, t.chunk] = t
        return [newest[key] for key in sorted(newest)]


@pytest.fixture
def session():
    made = Session()
    made.keep(made.builder.begin(1))
    return made


ENDS = [
    (Outcome.SUCCESS, 0.0, "terminated"),
    (Outcome.FAILURE, -1.0, "truncated"),
    (Outcome.TIMEOUT, -1.0, "truncated"),
    (Outcome.ABORTED, -1.0, "aborted"),
    (Outcome.DISCARDED, -1.0, "truncated"),
]


def flags(transition):
    names = ("terminated", "truncated", "aborted")
    return "".join(name for name in names if getattr(transition, name))


@pytest.mark.parametrize(("outcome", "reward", "flag"), ENDS)
def test_each_end_marks_the_last_transition_and_no_other(session, outcome, reward, flag):
    session.run(3)
    session.see()
    session.label(outcome, 3.0)
    first, second, last = session.transitions
    assert [flags(t) for t in (first, second)] == ["", ""]
    assert [t.reward for t in (first, second)] == [-1.0, -1.0]
    assert first.episode_outcome is second.episode_outcome is Outcome.PENDING
    assert (last.reward, flags(last), last.episode_outcome) == (reward, flag, outcome)
    assert [t.sequence for t in session.transitions] == [1, 2, 3]
    assert session.labels == [(1, 0)]


def test_next_features_are_those_of_the_next_observation_of_the_same_episode(session):
    session.run(3)
    session.see()
    session.label(Outcome.TIMEOUT, 3.0)
    assert [t.features[0] for t in session.transitions] == [0, 1, 2]
    assert [t.next_features[0] for t in session.transitions] == [1, 2, 3]


def test_a_truncated_episode_never_takes_the_next_episodes_first_observation(session):
    session.run(2)
    session.label(Outcome.TIMEOUT, 2.0)
    session.keep(session.builder.begin(2))
    session.send()
    last = session.transitions[-1]
    assert last.episode == 1
    assert last.aborted, "nothing was seen after it: it must not be learned from"
    np.testing.assert_array_equal(last.next_features, last.features)


def test_the_newest_finished_transition_is_held_back(session):
    session.run(2)
    assert [t.chunk for t in session.transitions] == [0]


def test_the_last_waits_for_what_is_seen_after_it(session):
    session.run(2)
    session.label(Outcome.TIMEOUT, 2.0)
    assert [t.chunk for t in session.transitions] == [0]
    session.see()
    assert [t.chunk for t in session.transitions] == [0, 1]


def test_a_label_waits_for_the_outcome_of_a_chunk_that_may_still_belong(session):
    session.run(1)
    session.send()
    session.label(Outcome.SUCCESS, 1.6)
    assert session.labels == []
    session.end(steps=4)
    session.see()
    assert [(t.chunk, flags(t)) for t in session.transitions] == [(0, ""), (1, "terminated")]


# (chunks finished, label's stamp in chunks) -> chunk that becomes the last
BINDING = [
    (3, 0.5, 0),
    (3, 1.0, 0),
    (3, 1.2, 1),
    (3, 2.0, 1),
    (3, 2.5, 2),
    (3, 3.0, 2),
    (3, 3.7, 2),
    (1, 1.0, 0),
]


@pytest.mark.parametrize(("finished", "stamp", "last"), BINDING)
def test_a_label_binds_to_the_chunk_that_its_stamp_lies_in(session, finished, stamp, last):
    session.run(finished)
    session.see()
    session.label(Outcome.SUCCESS, stamp)
    content = session.content()
    ended = [t.chunk for t in content if t.episode_outcome is Outcome.SUCCESS]
    assert ended == [last]
    assert all(t.aborted for t in content if t.chunk > last), "later chunks are taken back"
    assert not any(t.aborted for t in content if t.chunk <= last)
    numbers = [t.sequence for t in session.transitions]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_label_at_a_chunks_start_does_not_wait_for_that_chunk(session):
    session.run(1)
    session.send()
    session.label(Outcome.SUCCESS, 1.0)
    assert [(t.chunk, flags(t)) for t in session.transitions] == [(0, "terminated")]
    session.end()
    assert len(session.transitions) == 1, "the chunk in progress started after the episode's end"


def test_stamps_that_differ_by_rounding_bind_as_if_they_were_equal(session):
    session.run(2)
    session.see()
    session.keep(session.builder.labelled(made_label(1, Outcome.SUCCESS, 1.0 + 1e-9)))
    ended = [t.chunk for t in session.content() if t.terminated]
    assert ended == [0]


def test_a_label_before_the_first_chunk_leaves_nothing_to_learn(session):
    session.run(2)
    session.see()
    session.label(Outcome.ABORTED, 0.0)
    assert [flags(t) for t in session.content()] == ["aborted"]
    assert session.labels == [(1, 0)]


def test_a_refused_chunk_is_no_transition_and_its_number_is_used_again(session):
    session.send()
    session.end(steps=0, result=ChunkResult.REFUSED)
    session.run(2)
    session.see()
    session.label(Outcome.FAILURE, 2.0)
    assert [t.chunk for t in session.transitions] == [0, 1]


def test_a_chunk_cut_short_keeps_only_what_was_executed(session):
    session.send()
    session.end(steps=2, result=ChunkResult.PREEMPTED)
    session.see()
    session.label(Outcome.ABORTED, 0.4)
    (last,) = session.transitions
    assert last.executed_actions.shape == (2, 7)
    assert last.driver.shape == (2,)


def test_a_chunk_of_which_a_person_drove_a_part_is_a_persons(session):
    session.send()
    driver = np.array([Driver.POLICY, Driver.TELEOP, Driver.TELEOP], np.uint8)
    end = replace(made_end(session.sent, 0, steps=3), driver=driver)
    session.keep(session.builder.ended(end))
    session.run(1)
    session.see()
    session.label(Outcome.SUCCESS, 2.0)
    assert [t.origin for t in session.transitions] == [Origin.HUMAN, Origin.POLICY]
    np.testing.assert_array_equal(session.transitions[0].step_ends_ns, end.step_ends_ns)


def test_outcomes_of_other_chunks_change_nothing(session):
    session.send()
    session.keep(session.builder.ended(made_end(99, 0)))
    assert session.builder.next_chunk == 0


RELABELLED = [
    (Outcome.FAILURE, Outcome.SUCCESS, 0.0, "terminated"),
    (Outcome.SUCCESS, Outcome.FAILURE, -1.0, "truncated"),
    (Outcome.SUCCESS, Outcome.DISCARDED, 0.0, "terminated"),
    (Outcome.TIMEOUT, Outcome.DISCARDED, -1.0, "truncated"),
    (Outcome.DISCARDED, Outcome.SUCCESS, 0.0, "terminated"),
]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(("first", "second", "reward", "flag"), RELABELLED)
def test_a_relabelling_is_a_revision_of_the_last_transition(
    session, later, first, second, reward, flag
):
    session.run(2)
    session.see()
    session.label(first, 2.0)
    if later:
        session.keep(session.builder.begin(2))
        session.run(2)
    before = len(session.transitions)
    session.label(second, 2.0, revision=1)
    (revised,) = session.transitions[before:]
    assert (revised.episode, revised.chunk, revised.revision) == (1, 1, 1)
    assert (revised.reward, flags(revised), revised.episode_outcome) == (reward, flag, second)
    assert revised.sequence == before + 1


def test_a_second_relabelling_counts_the_revision_up(session):
    session.run(1)
    session.see()
    session.label(Outcome.FAILURE, 1.0)
    session.label(Outcome.SUCCESS, 1.0, revision=1)
    session.label(Outcome.FAILURE, 1.0, revision=2)
    assert [t.revision for t in session.transitions] == [0, 1, 2]


def test_a_label_that_arrives_twice_is_applied_once(session):
    session.run(1)
    session.see()
    session.label(Outcome.SUCCESS, 1.0)
    session.label(Outcome.SUCCESS, 1.0)
    assert len(session.transitions) == 1


def test_a_success_after_which_nothing_was_seen_is_learned_from(session):
    session.run(2)
    session.keep(session.builder.without_features())
    session.label(Outcome.SUCCESS, 2.0)
    last = session.transitions[-1]
    assert flags(last) == "terminated"
    assert last.reward == 0.0


def test_an_end_after_which_nothing_was_seen_is_never_bootstrapped_from(session):
    session.run(1)
    session.keep(session.builder.without_features())
    labels = (Outcome.FAILURE, Outcome.SUCCESS, Outcome.TIMEOUT)
    for revision, outcome in enumerate(labels):
        session.label(outcome, 1.0, revision=revision)
    assert [flags(t) for t in session.transitions] == ["aborted", "terminated", "aborted"]


def test_an_episode_cut_off_by_a_restart_is_ended_by_its_label(session):
    session.run(3)
    stored = session.transitions[-1]
    resumed = TransitionBuilder("widowx", "run", 3, {}, session.last_of)
    record = resumed.labelled(made_label(1, Outcome.ABORTED, 9.0))
    (revised,) = record.transitions
    assert (revised.chunk, revised.revision, revised.sequence) == (stored.chunk, 1, 3)
    assert flags(revised) == "aborted"


def test_labels_in_the_journal_are_not_applied_again_after_a_restart(session):
    resumed = TransitionBuilder("widowx", "run", 3, {1: 0}, session.last_of)
    assert not resumed.labelled(made_label(1, Outcome.SUCCESS, 1.0))


EVENTS = st.lists(
    st.sampled_from(["send", "end", "cut", "refuse", "see", "label", "relabel", "begin"]),
    max_size=40,
)


@given(EVENTS, st.lists(st.floats(0.0, 6.0), min_size=40, max_size=40))
def test_whatever_happens_the_stream_stays_consistent(events, stamps):
    session = Session()
    session.keep(session.builder.begin(1))
    revisions = {}
    for event, stamp in zip(events, stamps, strict=False):
        episode = session.builder.episode
        if event == "send" and session.builder.is_open:
            session.send()
        elif event == "end":
            session.end()
        elif event == "cut":
            session.end(steps=2, result=ChunkResult.PREEMPTED)
        elif event == "refuse":
            session.end(steps=0, result=ChunkResult.REFUSED)
        elif event == "see":
            session.see()
        elif event in ("label", "relabel"):
            labelled = episode if event == "label" else max(1, episode - 1)
            revisions[labelled] = revisions.get(labelled, -1) + 1
            outcome = Outcome(int(stamp) % 5)
            session.label(outcome, stamp, revisions[labelled], labelled)
        elif event == "begin":
            session.keep(session.builder.begin(episode + 1))
    numbers = [t.sequence for t in session.transitions]
    assert numbers == list(range(1, len(numbers) + 1)), "a gap or a repetition"
    keys = [(t.episode, t.chunk, t.revision) for t in session.transitions]
    assert len(set(keys)) == len(keys), "a revision twice"
    labelled = [t.episode for t in session.content() if t.episode_outcome is not Outcome.PENDING]
    assert len(set(labelled)) == len(labelled), "an episode with two last transitions"
    for t in session.transitions:
        assert t.terminated + t.truncated + t.aborted <= 1
        is_last = t.episode_outcome is not Outcome.PENDING
        assert is_last == (t.terminated or t.truncated) or t.aborted
        assert (t.reward == 0.0) == t.terminated
        assert t.driver.size > 0
