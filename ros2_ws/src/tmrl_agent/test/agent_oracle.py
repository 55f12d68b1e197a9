"""What a log of everything that moved the arm says about the transitions that must come of it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tmrl_agent.events import SentChunk
from tmrl_common.types import Outcome

DISCARDED = Outcome.DISCARDED
SLACK_NS = 1_000_000


@dataclass
class Executed:
    """A chunk that moved the arm."""

    sent: SentChunk
    started_ns: int
    first_state_after: int
    is_seen: bool
    """Whether the arm's state and everything else after it was there with its outcome."""
    may_be_lost: bool
    """Whether its outcome came after the next episode had stopped waiting for it."""


def key_of(executed):
    return executed.sent.episode, executed.sent.chunk


class Oracle:
    """Compares the newest revisions with the log; `executed` is in the order of the events."""

    lock_step = True

    def check_every_chunk(self, newest):
        executed = {(e.sent.episode, e.sent.chunk): e for e in self.executed}
        assert newest.keys() <= executed.keys()
        for key, chunk in executed.items():
            record = newest.get(key)
            label = self.labels.get(chunk.sent.episode)
            if label is not None and chunk.started_ns >= label.stamp_ns - SLACK_NS:
                # Dropped by the rule: it began after the instant that the label refers to.
                assert record is None or record.aborted
                continue
            assert record is not None, f"chunk {key} moved the arm and is not recorded"
            assert record.features[0] == chunk.sent.arm_state_sequence
            self.check_next(record, chunk)

    def check_next(self, record, chunk):
        if chunk.is_seen:
            assert record.next_features[0] == chunk.first_state_after
            return
        if np.array_equal(record.next_features, record.features):
            assert record.aborted or record.terminated or record.episode_outcome == DISCARDED
            return
        seen = record.next_features[0]
        assert seen >= chunk.first_state_after
        later = self.executed[self.executed.index(chunk) + 1 :]
        assert not later or seen <= later[0].sent.arm_state_sequence
        if self.lock_step:
            assert seen == chunk.first_state_after

    def check_gapless(self, newest):
        """What follows without a break begins with the very features that the one before has."""
        for earlier, later in pairwise(self.executed):
            one, other = newest.get(key_of(earlier)), newest.get(key_of(later))
            follows = later.sent.arm_state_sequence == earlier.first_state_after
            if one is None or other is None or one.aborted or not follows:
                continue
            if one.episode == other.episode:
                assert other.chunk == one.chunk + 1
                np.testing.assert_array_equal(one.next_features, other.features)

    def check_labels(self, newest):
        written = [record.label for record in self.committed if record.label is not None]
        assert len({(w.episode, w.revision) for w in written}) == len(written)
        for episode, label in self.labels.items():
            assert label in written
            belonging = [
                e.sent.chunk
                for e in self.executed
                if e.sent.episode == episode and e.started_ns < label.stamp_ns - SLACK_NS
            ]
            labelled = {
                chunk: t.episode_outcome
                for (of, chunk), t in newest.items()
                if of == episode and t.episode_outcome is not Outcome.PENDING
            }
            assert labelled == ({belonging[-1]: label.outcome} if belonging else {})
