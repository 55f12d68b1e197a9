"""Builds transitions from chunks, their outcomes, what was seen next, and the episode's label.

The newest finished transition is held back until it is known whether it is the last of its
episode: a label may still bind to it. What was released already is corrected by a revision, under a
new sequence number, so that the sequence alone tells the learner everything
(docs/concepts/contracts.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tmrl_agent.events import EpisodeLabel, SentChunk
from tmrl_common.chunks import ChunkOutcome
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
    """A chunk with its outcome, on its way to a transition."""

    sent: SentChunk
    end: ChunkOutcome
    next_features: FloatArray | None = None
    blind: bool = False
    """Nothing was seen after it: next_features only fills the place."""
    released: Transition | None = None


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
        self._under_way: SentChunk | None = None
        self._finished: list[_Finished] = []
        self._label: EpisodeLabel | None = None

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
    def last_sequence(self) -> int:
        """Number of the newest transition; 0 before the first."""
        return self._next_sequence - 1

    @property
    def wants_features(self) -> bool:
        """Whether the newest finished chunk still lacks what was seen after it."""
        return bool(self._finished) and self._finished[-1].next_features is None

    def begin(self, episode: int) -> Record:
        """Opens an episode; whatever is left of the one before is released.

        Args:
            episode: Its number; higher than any before.
        """
        self._under_way = None
        record = self.without_features() if self.wants_features else self._settle()
        rest = tuple(self._release(item) for item in self._finished if item.released is None)
        self._episode = episode
        self._finished = []
        self._label = None
        return Record(record.transitions + rest, record.label)

    def sent(self, chunk: SentChunk) -> None:
        """A chunk was published: the one outcome that is waited for now."""
        self._under_way = chunk

    def ended(self, end: ChunkOutcome) -> Record:
        """The outcome of the chunk in progress; that of any other chunk changes nothing."""
        chunk = self._under_way
        if chunk is None or chunk.sequence != end.chunk.sequence:
            return Record()
        self._under_way = None
        if end.steps > 0:
            self._finished.append(_Finished(chunk, end))
        return self._settle()

    def seen_next(self, features: FloatArray) -> Record:
        """The features of the observation after the newest finished chunk, of the same episode."""
        if not self.wants_features:
            return Record()
        self._finished[-1].next_features = features
        return self._settle()

    def without_features(self) -> Record:
        """Nothing was seen after the newest finished chunk: it is stored, but not learned from."""
        if not self.wants_features:
            return Record()
        newest = self._finished[-1]
        newest.next_features = newest.sent.reply.features
        newest.blind = True
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
            if not belonging or belonging[-1].next_features is not None:
                return self._close(label, belonging)
        certain = [f for f in self._finished[:-1] if f.released is None]
        return Record(tuple(self._release(f) for f in certain))

    def _can_bind(self, label: EpisodeLabel) -> bool:
        """Whether the chunk in progress, if there is one, cannot be the last any more."""
        if self._under_way is None:
            return True
        newest_end_ns = self._finished[-1].end.ended_ns if self._finished else 0
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
        self._under_way = None
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
            if newest.sent.chunk == revised.chunk:
                newest.released = revised
        return revised

    def _transition(self, item: _Finished) -> Transition:
        sent, end, reply = item.sent, item.end, item.sent.reply
        assert item.next_features is not None, "released before anything was seen after it"
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
            actor_version=reply.actor_version,
            policy_version=reply.policy_version,
            seed=reply.seed,
            inference_s=reply.timings.total_s,
            round_trip_s=sent.round_trip_s,
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
    terminated = outcome is Outcome.SUCCESS
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
