"""What a session has labelled, as examples of states in which the task is done and is not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Outcome

_MAX_EPISODES = 400
"""Cameras and light of long ago teach little, and memory is finite."""


@dataclass(frozen=True)
class Examples:
    """States of labelled episodes, n of them.

    Attributes:
        features: Shape (n, features).
        done: Shape (n,), whether the task was done there: the last state of a success.
        episode: Shape (n,), number of the episode of each.
        succeeded: Shape (n,), whether that episode was labelled a success.
    """

    features: FloatArray
    done: NDArray[np.bool_]
    episode: NDArray[np.int64]
    succeeded: NDArray[np.bool_]

    @property
    def successes(self) -> int:
        """Episodes that show a state in which the task is done."""
        return len(np.unique(self.episode[self.done]))

    @property
    def others(self) -> int:
        """Episodes that were labelled something else."""
        return len(np.unique(self.episode[~self.succeeded]))


@dataclass(frozen=True)
class _Row:
    """What is kept of a transition: the state after it; None where nobody vouches for it."""

    revision: int
    state: FloatArray | None


class Session:
    """The newest transitions and labels of a session, as they come."""

    def __init__(self) -> None:
        """Knows none."""
        self._rows: dict[int, dict[int, _Row]] = {}
        self._outcomes: dict[int, Outcome] = {}

    @property
    def labelled(self) -> dict[int, Outcome]:
        """The episodes with transitions whose label counts."""
        return {n: self._outcome(n) for n in sorted(self._rows) if self._outcome(n).counts}

    def add(self, transition: Transition) -> None:
        """Takes a transition, or a revision of one."""
        chunks = self._rows.setdefault(transition.episode, {})
        known = chunks.get(transition.chunk)
        if known is None or transition.revision >= known.revision:
            state = None if transition.aborted else transition.next_features
            chunks[transition.chunk] = _Row(transition.revision, state)
        if len(self._rows) > _MAX_EPISODES:
            del self._rows[min(self._rows)]

    def label(self, outcomes: dict[int, Outcome]) -> None:
        """Takes the newest label of every labelled episode."""
        self._outcomes = outcomes

    def waits_for_label(self, episode: int) -> bool:
        """Returns whether an episode has no label yet."""
        return self._outcome(episode) is Outcome.PENDING

    def examples(self) -> Examples:
        """Returns the states after each transition of the labelled episodes.

        The one before a success's last state is left out: a person labels a moment after the task
        was done, and nobody knows which of the two it was. What was aborted ends in no state.
        """
        features: list[FloatArray] = []
        done: list[bool] = []
        episode: list[int] = []
        succeeded: list[bool] = []
        for number, outcome in self.labelled.items():
            success = outcome is Outcome.SUCCESS
            rows = [self._rows[number][chunk] for chunk in sorted(self._rows[number])]
            for index, row in enumerate(rows):
                from_end = len(rows) - 1 - index
                if row.state is None or (success and from_end == 1):
                    continue
                features.append(row.state)
                done.append(success and from_end == 0)
                episode.append(number)
                succeeded.append(success)
        return _arrays(features, done, episode, succeeded)

    def _outcome(self, number: int) -> Outcome:
        return self._outcomes.get(number, Outcome.PENDING)


def _arrays(
    features: Sequence[FloatArray],
    done: Sequence[bool],
    episode: Sequence[int],
    succeeded: Sequence[bool],
) -> Examples:
    """Stacks rows; those of another size than the newest come from other cameras or encoders."""
    size = len(features[-1]) if features else 0
    kept = [index for index, row in enumerate(features) if len(row) == size]
    return Examples(
        np.array([features[i] for i in kept], np.float32).reshape(len(kept), size),
        np.array([done[i] for i in kept], np.bool_),
        np.array([episode[i] for i in kept], np.int64),
        np.array([succeeded[i] for i in kept], np.bool_),
    )
