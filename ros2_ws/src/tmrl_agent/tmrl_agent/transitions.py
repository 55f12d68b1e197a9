"""Builds transitions from chunks, their outcomes, what was seen next, and the episode's label.

The newest finished transition is held back until it is known whether it is the last of its
episode: a label may still bind to it. What was released already is corrected by a revision, under a
new sequence number, so that the sequence alone tells the learner everything
(docs/concepts/contracts.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from tmrl_agent.assembly import Assembled
from tmrl_agent.events import EpisodeLabel, SentChunk
from tmrl_agent.unsteered import NO_FEATURES, NOTHING_SEEN, unsteered
from tmrl_common.candidates import Candidates, candidate_columns
from tmrl_common.chunks import ChunkOutcome, Origin
from tmrl_common.transitions import Transition, origin_of
from tmrl_common.types import FloatArray, Outcome

_NO_LABEL = -1
_STAMP_SLACK_NS = 1_000_000
"""Stamps of two processes may differ by rounding; a control period is far longer than this."""


@dataclass(frozen=True)
class Record:
    """What must be written to the journal in one piece, and then published.

    Attributes:
        transitions: In the order of their sequence numbers.
        label: The label that they apply; None where no label was applied.
    """

    transitions: tuple[Transition, ...] = ()
    label: EpisodeLabel | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.transitions) or self.label is not None


@dataclass
class _Finished:
    """A chunk, or a segment of a person's driving, with its outcome, on its way to a transition."""

    sent: SentChunk | None
    """What was published; of a segment what stands in its place, once its features are known."""
    end: ChunkOutcome
    next_features: FloatArray | None = None
    blind: bool = False
    """Nothing was seen before or after it: its features or next_features only fill the place."""
    released: Transition | None = None

    @property
    def is_complete(self) -> bool:
        return self.sent is not None and self.next_features is not None


class TransitionBuilder:
    """Turns the events of one session into transitions, in the order of their sequence numbers.

    Args:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        next_sequence: Number of the next transition: one above the journal's last.
        label_revisions: Episode to revision of the label that the journal holds.
        last_stored: Gives the newest revision of an earlier episode's last transition, or None.
    """

    def __init__(
        self,
        robot: str,
        session: str,
        next_sequence: int,
        label_revisions: dict[int, int],
        last_stored: Callable[[int], Transition | None],
    ) -> None:
        self._robot = robot
        self._session = session
        self._next_sequence = next_sequence
        self._applied = dict(label_revisions)
        self._last_stored = last_stored
        self._episode = 0
        self._under_way: list[SentChunk] = []
        self._finished: list[_Finished] = []
        self._label: EpisodeLabel | None = None
        self._newest_features: FloatArray | None = None
        self._driven_until_ns = 0
        self._person_drives = False

    @property
    def episode(self) -> int:
        """The episode whose chunks are taken now; 0 before the first."""
        return self._episode

    @property
    def is_open(self) -> bool:
        """Whether the episode still takes chunks: it has begun and has not been labelled."""
        return self._episode > 0 and self._label is None and self._episode not in self._applied

    @property
    def next_chunk(self) -> int:
        """Number of the episode's next chunk; one that moved nothing does not count."""
        return len(self._finished)

    @property
    def next_to_send(self) -> int:
        """Number of the chunk that is sent next; one that is on the arm comes before it."""
        return len(self._finished) + len(self._under_way)

    @property
    def last_sequence(self) -> int:
        """Number of the newest transition; 0 before the first."""
        return self._next_sequence - 1

    @property
    def is_labelled(self) -> bool:
        """Whether there is a label that waits for the rest of its episode."""
        return self._label is not None

    def wants(self, number: int) -> bool:
        """Whether the episode's chunk or segment of that number lacks features."""
        is_there = 0 <= number < len(self._finished)
        return is_there and not self._finished[number].is_complete

    def begin(self, episode: int) -> Record:
        """Opens an episode; whatever is left of the one before is released.

        Args:
            episode: Its number; higher than any before.
        """
        self._under_way = []
        self._person_drives = False
        record = Record()
        for number in range(len(self._finished)):
            made = self.without_features(number)
            record = Record(record.transitions + made.transitions, record.label or made.label)
        made = self._settle()
        record = Record(record.transitions + made.transitions, record.label or made.label)
        rest = tuple(self._release(item) for item in self._finished if item.released is None)
        self._episode = episode
        self._finished = []
        self._label = None
        return Record(record.transitions + rest, record.label)

    def sent(self, chunk: SentChunk) -> None:
        """A chunk was published: its outcome is waited for, after that of the one it continues."""
        self._under_way.append(chunk)
        self._newest_features = chunk.reply.features

    def ended(self, end: ChunkOutcome) -> Record:
        """The outcome of a chunk in progress; that of any other chunk changes nothing."""
        chunk = next((c for c in self._under_way if c.sequence == end.chunk.sequence), None)
        if chunk is None:
            return Record()
        self._under_way.remove(chunk)
        if end.steps > 0:
            # What a person drove since it was published has taken the number that it was to have.
            self._finished.append(_Finished(replace(chunk, chunk=len(self._finished)), end))
        return self._settle()

    def driven(self, end: ChunkOutcome) -> Record:
        """A person drove; what was seen before and after it comes later.

        Args:
            end: The outcome of the segment.
        """
        self._finished.append(_Finished(None, end))
        return self._settle()

    def placed(
        self,
        number: int,
        seen: Assembled,
        features: FloatArray,
        policy: str,
        candidates: Candidates | None = None,
    ) -> Record:
        """What was seen when a person began a segment is known.

        Args:
            number: Of the segment within the episode.
            seen: The observation.
            features: What the steering actor would have seen, shape (features_dim,).
            policy: Version of the policy that would have answered.
            candidates: Of the observation, where they were asked for.
        """
        if self.wants(number):
            self._newest_features = features
            item = self._finished[number]
            item.sent = unsteered(self._episode, number, seen, features, policy, candidates)
        return self._settle()

    def person_drives(self, *, in_progress: bool, until_ns: int) -> Record:
        """Whether a segment of the person is still to come, which a label may bind to.

        Args:
            in_progress: Whether one is.
            until_ns: ROS time until which every segment has come.
        """
        self._person_drives, self._driven_until_ns = in_progress, until_ns
        return self._settle() if self._label is not None else Record()

    def seen_next(self, features: FloatArray, number: int | None = None) -> Record:
        """The features of the observation after a finished chunk, of the same episode.

        Args:
            features: Shape (features_dim,).
            number: Of the chunk or segment within the episode; None for the newest.
        """
        number = len(self._finished) - 1 if number is None else number
        if not self.wants(number):
            return Record()
        self._finished[number].next_features = features
        return self._settle()

    def without_features(self, number: int | None = None) -> Record:
        """Nothing was seen before or after a finished chunk: it is stored, but not learned from.

        Args:
            number: Of the chunk or segment within the episode; None for the newest.
        """
        number = len(self._finished) - 1 if number is None else number
        if not self.wants(number):
            return Record()
        item = self._finished[number]
        item.blind = True
        if item.sent is None:
            filler = self._newest_features if self._newest_features is not None else NO_FEATURES
            seen = Assembled(NOTHING_SEEN, item.end.started_ns, "")
            item.sent = unsteered(self._episode, number, seen, filler, "")
        if item.next_features is None or item.next_features.size != item.sent.reply.features.size:
            item.next_features = item.sent.reply.features
        return self._settle()

    def labelled(self, label: EpisodeLabel) -> Record:
        """A label of this or an earlier episode; one that is known already changes nothing."""
        if label.revision <= self._applied.get(label.episode, _NO_LABEL):
            return Record()
        if label.episode == self._episode and label.episode not in self._applied:
            if self._label is None or label.revision > self._label.revision:
                self._label = label
            return self._settle()
        last = self._last_of(label.episode)
        relabels = label.episode in self._applied
        self._applied[label.episode] = label.revision
        # A relabelled episode without a labelled transition had no chunk before its end.
        if last is None or (relabels and last.episode_outcome is Outcome.PENDING):
            return Record(label=label)
        return Record((self._revision(last, _ended(last, label.outcome)),), label)

    def _settle(self) -> Record:
        """Releases what can no longer change, and closes the episode where its label can bind."""
        label = self._label
        if label is not None and self._can_bind(label):
            end_ns = label.stamp_ns - _STAMP_SLACK_NS
            belonging = [f for f in self._finished if f.end.started_ns < end_ns]
            if all(f.is_complete for f in belonging):
                return self._close(label, belonging)
        certain = takewhile(lambda f: f.is_complete, self._finished[:-1])
        return Record(tuple(self._release(f) for f in certain if f.released is None))

    def _can_bind(self, label: EpisodeLabel) -> bool:
        """Whether a chunk in progress, if there is one, cannot be the last any more."""
        if not self._under_way and not self._person_drives:
            return True
        newest_end_ns = self._finished[-1].end.ended_ns if self._finished else 0
        newest_end_ns = max(newest_end_ns, self._driven_until_ns)
        return label.stamp_ns <= newest_end_ns + _STAMP_SLACK_NS

    def _close(self, label: EpisodeLabel, belonging: list[_Finished]) -> Record:
        """Labels the last chunk that belongs to the episode, and takes back the ones after it."""
        beyond = self._finished[len(belonging) :]
        out = [self._release(f) for f in belonging[:-1] if f.released is None]
        for item in beyond:
            if item.released is not None:
                out.append(self._revision(item.released, _taken_back(item.released)))
        if belonging:
            last = belonging[-1]
            if last.released is None:
                last.released = self._numbered(_ended(self._transition(last), label.outcome))
            else:
                last.released = self._revision(last.released, _ended(last.released, label.outcome))
            out.append(last.released)
        self._applied[label.episode] = label.revision
        self._finished = belonging
        self._under_way = []
        self._label = None
        return Record(tuple(out), label)

    def _last_of(self, episode: int) -> Transition | None:
        if episode == self._episode:
            return self._finished[-1].released if self._finished else None
        return self._last_stored(episode)

    def _release(self, item: _Finished) -> Transition:
        item.released = self._numbered(self._transition(item))
        return item.released

    def _numbered(self, transition: Transition) -> Transition:
        numbered = replace(transition, sequence=self._next_sequence)
        self._next_sequence += 1
        return numbered

    def _revision(self, previous: Transition, changed: Transition) -> Transition:
        revised = self._numbered(replace(changed, revision=previous.revision + 1))
        if self._finished and revised.episode == self._episode:
            newest = self._finished[-1]
            if newest.sent is not None and newest.sent.chunk == revised.chunk:
                newest.released = revised
        return revised

    def _transition(self, item: _Finished) -> Transition:
        sent, end = item.sent, item.end
        assert sent is not None, "released before anything was seen before it"
        assert item.next_features is not None, "released before anything was seen after it"
        reply = sent.reply
        return Transition(
            robot=self._robot,
            session=self._session,
            sequence=0,
            episode=sent.episode,
            chunk=sent.chunk,
            revision=0,
            features=reply.features,
            z=reply.steering.z.reshape(-1),
            sigma=reply.steering.sigma,
            epsilon=reply.steering.epsilon,
            steering=reply.steering.source,
            reward=-1.0,
            next_features=item.next_features,
            terminated=False,
            truncated=False,
            aborted=item.blind,
            episode_outcome=Outcome.PENDING,
            executed_actions=end.executed_actions,
            driver=end.driver,
            clamped=bool(end.clamped.any()),
            origin=origin_of(end.driver),
            observation_stamp_ns=sent.stamp_ns,
            image_stamps_ns=sent.image_stamps_ns,
            prompt=sent.prompt,
            step_ends_ns=end.step_ends_ns,
            delay_steps=sent.committed_steps,
            actor_version=reply.actor_version,
            policy_version=reply.policy_version,
            seed=reply.seed,
            inference_s=reply.timings.total_s,
            round_trip_s=sent.round_trip_s,
            **candidate_columns(reply.candidates),
        )


def _ended(transition: Transition, outcome: Outcome) -> Transition:
    """The transition as the last one of an episode with this outcome.

    An end after which nothing was seen cannot be bootstrapped from, whatever it is called later:
    it stays aborted. A success needs nothing seen after it, because its value is its reward; where
    it is taken back, its own features in the place of the next ones tell that nothing was seen.
    """
    if outcome is Outcome.DISCARDED:
        ended = transition.terminated or transition.truncated or transition.aborted
        return replace(
            transition, truncated=transition.truncated or not ended, episode_outcome=outcome
        )
    placeholder = np.array_equal(transition.features, transition.next_features)
    unseen = transition.aborted or (transition.terminated and placeholder)
    # Of a segment whose beginning nobody saw, the features are those of another moment.
    never_seen = transition.origin is Origin.HUMAN and not transition.policy_version
    terminated = outcome is Outcome.SUCCESS and not never_seen
    aborted = outcome is Outcome.ABORTED or (unseen and not terminated)
    return replace(
        transition,
        reward=0.0 if terminated else -1.0,
        terminated=terminated,
        truncated=not (terminated or aborted),
        aborted=aborted,
        episode_outcome=outcome,
    )


def _taken_back(transition: Transition) -> Transition:
    """The transition of a chunk that started after the episode's end."""
    return replace(transition, terminated=False, truncated=False, aborted=True)
