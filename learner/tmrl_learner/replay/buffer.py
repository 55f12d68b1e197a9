"""The replay buffer: every transition exactly once, whole episodes, one contiguous store.

An episode is the unit of everything but the draw: of labels, of the success stratum, of dropping
when the store is full.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray, Outcome, Transition
from tmrl_learner.config import ReplayConfig
from tmrl_learner.errors import InvalidTransitionError, ReplayFullError
from tmrl_learner.replay.row_set import RowSet
from tmrl_learner.replay.transition import FLOAT_FIELDS, EpisodeKey, episode_key, is_learnable


class InsertResult(StrEnum):
    """What became of a transition that was handed to the buffer."""

    STORED = "stored"
    REVISED = "revised"
    DUPLICATE = "duplicate"
    EVICTED = "evicted"


@dataclass
class Episode:
    """Book-keeping of one episode.

    Attributes:
        rows: Row of each chunk that is stored.
        outcome: Label, PENDING while the episode runs or waits for it.
        label_sequence: Sequence number of the transition that brought the label. Numbers only
            grow, so the highest one carries the newest label, in whatever order they arrive.
    """

    rows: dict[int, int] = field(default_factory=dict[int, int])
    outcome: Outcome = Outcome.PENDING
    label_sequence: int = 0


class ReplayBuffer:
    """Fixed-capacity store of transitions, drawn in a success and an overall stratum.

    Args:
        config: Capacity and share of the success stratum.
        features_dim: S, length of the features.
        z_dim: Z, length of the latent.
        epsilon_dim: E, length of the context noise, 0 where the actor does not choose it.
    """

    def __init__(
        self, config: ReplayConfig, features_dim: int, z_dim: int, epsilon_dim: int
    ) -> None:
        self.config = config
        widths = {
            "features": features_dim,
            "z": z_dim,
            "sigma": 1,
            "epsilon": epsilon_dim,
            "reward": 1,
            "next_features": features_dim,
            "terminated": 1,
        }
        self._columns: dict[str, FloatArray] = {
            name: np.zeros((config.capacity, width), np.float32) for name, width in widths.items()
        }
        self._revision = np.zeros(config.capacity, np.int64)
        self._is_learnable = np.zeros(config.capacity, np.bool_)
        self._learnable = RowSet(config.capacity)
        self._successful = RowSet(config.capacity)
        self._freed: list[int] = []
        self._rows_ever = 0
        self._episodes: dict[EpisodeKey, Episode] = {}
        self._evicted: set[EpisodeKey] = set()
        self._scratch: dict[str, FloatArray] = {}

    def __len__(self) -> int:
        """Number of stored transitions."""
        return self._rows_ever - len(self._freed)

    @property
    def learnable(self) -> int:
        """Number of transitions that the critic may learn from."""
        return len(self._learnable)

    @property
    def episodes(self) -> int:
        """Number of episodes of which transitions are stored."""
        return len(self._episodes)

    @property
    def successes(self) -> int:
        """Number of stored episodes that carry the label SUCCESS."""
        return sum(e.outcome is Outcome.SUCCESS for e in self._episodes.values())

    def insert(self, transition: Transition) -> InsertResult:
        """Stores a transition once; a higher revision of a stored one replaces it.

        Raises:
            InvalidTransitionError: A field has another length than configured.
            ReplayFullError: The episode alone fills the whole buffer.
        """
        self._check_lengths(transition)
        key = episode_key(transition)
        if key in self._evicted:
            return InsertResult.EVICTED
        row = self._row_of(key, transition.chunk)
        if row is not None and transition.revision <= self._revision[row]:
            return InsertResult.DUPLICATE
        result = InsertResult.STORED if row is None else InsertResult.REVISED
        if row is None:
            row = self._allocate(key)
        episode = self._episodes.setdefault(key, Episode())
        episode.rows[transition.chunk] = row
        self._write(row, transition)
        labelled = transition.episode_outcome is not Outcome.PENDING
        if labelled and transition.sequence > episode.label_sequence:
            episode.outcome = transition.episode_outcome
            episode.label_sequence = transition.sequence
        self._sort_into_strata(episode)
        return result

    def sample(
        self, rng: np.random.Generator, batches: int, batch_size: int
    ) -> dict[str, FloatArray]:
        """Draws minibatches with replacement, part of each from successful episodes.

        Needs at least one learnable transition.

        Returns:
            For each column a (batches * batch_size, width) array, one minibatch after the other.
            The arrays are reused: the next call overwrites them.
        """
        rows = self._draw_rows(rng, batches, batch_size)
        out = self._scratch_for(rows.size)
        for name, column in self._columns.items():
            np.take(column, rows, axis=0, out=out[name], mode="clip")
        return out

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that `load_state` needs: arrays and JSON-able metadata."""
        used = slice(self._rows_ever)
        arrays: dict[str, NDArray[Any]] = {n: c[used].copy() for n, c in self._columns.items()}
        arrays["row_revision"] = self._revision[used].copy()
        arrays["row_is_learnable"] = self._is_learnable[used].astype(np.uint8)
        arrays["learnable_rows"] = self._learnable.members.copy()
        arrays["successful_rows"] = self._successful.members.copy()
        arrays["freed_rows"] = np.array(self._freed, np.int64)
        metadata = {
            "episodes": [
                [*key, int(e.outcome), e.label_sequence, sorted(e.rows.items())]
                for key, e in self._episodes.items()
            ],
            "evicted": sorted(self._evicted),
        }
        return arrays, metadata

    def load_state(self, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
        """Restores what `state` returned; later draws equal those of the original."""
        self._rows_ever = len(arrays["row_revision"])
        used = slice(self._rows_ever)
        for name, column in self._columns.items():
            column[used] = arrays[name]
        self._revision[used] = arrays["row_revision"]
        self._is_learnable[used] = arrays["row_is_learnable"].astype(np.bool_)
        self._learnable.load(arrays["learnable_rows"])
        self._successful.load(arrays["successful_rows"])
        self._freed = arrays["freed_rows"].tolist()
        self._episodes = {
            (robot, session, number): Episode(dict(rows), Outcome(outcome), label_sequence)
            for robot, session, number, outcome, label_sequence, rows in metadata["episodes"]
        }
        self._evicted = {(robot, session, n) for robot, session, n in metadata["evicted"]}

    def _draw_rows(
        self, rng: np.random.Generator, batches: int, batch_size: int
    ) -> NDArray[np.int64]:
        from_successes = int(batch_size * self.config.success_share) if self._successful else 0
        rows = self._learnable.draw(rng, (batches, batch_size - from_successes))
        if from_successes:
            successes = self._successful.draw(rng, (batches, from_successes))
            rows = np.concatenate([rows, successes], axis=1)
        # Ascending rows within a minibatch make the gather walk memory forwards.
        return np.sort(rows, axis=1).ravel()

    def _scratch_for(self, rows: int) -> dict[str, FloatArray]:
        if not self._scratch or len(self._scratch["reward"]) != rows:
            self._scratch = {
                name: np.empty((rows, column.shape[1]), np.float32)
                for name, column in self._columns.items()
            }
        return self._scratch

    def _check_lengths(self, transition: Transition) -> None:
        for name in ("features", "z", "epsilon", "next_features"):
            got, want = getattr(transition, name).shape, (self._columns[name].shape[1],)
            if got != want:
                raise InvalidTransitionError(
                    f"transition {transition.sequence} of session {transition.session!r}: {name} "
                    f"has shape {got}, this learner was configured for {want}; start it with the "
                    "sizes that the policy server announces"
                )

    def _row_of(self, key: EpisodeKey, chunk: int) -> int | None:
        episode = self._episodes.get(key)
        return episode.rows.get(chunk) if episode else None

    def _allocate(self, key: EpisodeKey) -> int:
        if not self._freed and self._rows_ever == self.config.capacity:
            self._drop_oldest_but(key)
        if self._freed:
            return self._freed.pop()
        self._rows_ever += 1
        return self._rows_ever - 1

    def _drop_oldest_but(self, key: EpisodeKey) -> None:
        oldest = next((other for other in self._episodes if other != key), None)
        if oldest is None:
            raise ReplayFullError(
                f"episode {key[2]} of session {key[1]!r} alone has {self.config.capacity} "
                "transitions, as many as the replay buffer holds; raise replay.capacity"
            )
        for row in self._episodes.pop(oldest).rows.values():
            self._learnable.set(row, present=False)
            self._successful.set(row, present=False)
            self._freed.append(row)
        self._evicted.add(oldest)

    def _write(self, row: int, transition: Transition) -> None:
        for name in (*FLOAT_FIELDS, "terminated"):
            self._columns[name][row] = getattr(transition, name)
        self._revision[row] = transition.revision
        self._is_learnable[row] = is_learnable(transition)

    def _sort_into_strata(self, episode: Episode) -> None:
        """Decides again, after every change, which rows of an episode may be drawn."""
        kept = episode.outcome is not Outcome.DISCARDED
        succeeded = episode.outcome is Outcome.SUCCESS
        for row in episode.rows.values():
            learnable = kept and bool(self._is_learnable[row])
            self._learnable.set(row, present=learnable)
            self._successful.set(row, present=learnable and succeeded)
