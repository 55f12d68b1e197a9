"""The replay buffer: every transition exactly once, whole episodes, one contiguous store.

An episode is the unit of everything but the draw: of labels, of the success and failure strata, of
dropping when the store is full. Offline data are rows without episodes, which are never dropped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import FloatArray, Outcome
from tmrl_learner.config import ReplayConfig
from tmrl_learner.errors import LearnerError, ReplayFullError, ResumeError
from tmrl_learner.replay.candidate_columns import CandidateColumns
from tmrl_learner.replay.columns import ColumnStore
from tmrl_learner.replay.row_set import IntArray, RowSet
from tmrl_learner.replay.transition import (
    FLOAT_FIELDS,
    STEERED,
    EpisodeKey,
    actions_row,
    episode_key,
    explains_actions,
    explains_latent,
    unsteered,
)

FAILED = (Outcome.FAILURE, Outcome.TIMEOUT)


class InsertResult(StrEnum):
    """What became of a transition that was handed to the buffer."""

    STORED = "stored"
    REVISED = "revised"
    DUPLICATE = "duplicate"
    EVICTED = "evicted"


@dataclass
class ReplayEpisode:
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
    """Fixed-capacity store of transitions, and offline data beside it, drawn in strata.

    Args:
        config: Capacity and shares of the strata.
        features_dim: S, length of the features.
        z_dim: Z, length of the latent.
        epsilon_dim: E, length of the context noise, 0 where the actor does not choose it.
        actions_dim: h * A, length of the executed actions. 0 does not store them, and lets only
            those transitions be learned from whose latent explains them; with executed actions
            those count that the actions explain (`tmrl_learner.replay.transition`).
        candidates: K, candidates of each transition, of which 0 keeps none.
    """

    def __init__(
        self,
        config: ReplayConfig,
        features_dim: int,
        z_dim: int,
        epsilon_dim: int,
        actions_dim: int = 0,
        candidates: int = 0,
    ) -> None:
        self.config = config
        self._actions_dim = actions_dim
        self._candidates = CandidateColumns(candidates, z_dim, actions_dim)
        widths = {
            "features": features_dim,
            "z": z_dim,
            "sigma": 1,
            "epsilon": epsilon_dim,
            "reward": 1,
            "next_features": features_dim,
            "terminated": 1,
        }
        if actions_dim:
            widths["actions"] = actions_dim
        widths |= self._candidates.widths()
        self._columns = ColumnStore(widths, config.capacity, config.device)
        self._revision = np.zeros(config.capacity, np.int64)
        self._is_learnable = np.zeros(config.capacity, np.bool_)
        self._learnable = RowSet(config.capacity)
        self._successful = RowSet(config.capacity)
        self._failed = RowSet(config.capacity)
        self._freed: list[int] = []
        self._rows_ever = 0
        self._episodes: dict[EpisodeKey, ReplayEpisode] = {}
        self._evicted: set[EpisodeKey] = set()

    def __len__(self) -> int:
        """Number of stored transitions, offline data not counted."""
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

    @property
    def offline(self) -> int:
        """Number of rows of offline data."""
        return self._columns.fixed

    def load_offline(self, columns: Mapping[str, FloatArray]) -> None:
        """Adds a fixed data set, from which `offline_share` of every minibatch is drawn.

        It does not count towards the capacity and is never dropped. Checkpoints hold its hash only:
        a run that resumes loads it again before its checkpoint.

        Args:
            columns: features and next_features (n, S), z (n, Z), epsilon (n, E), and sigma, reward
                and terminated (0 or 1), each (n, 1); with executed actions also actions (n, h * A),
                in raw units.

        Raises:
            InvalidTransitionError: A column is missing, unknown, of another shape or not finite.
            LearnerError: There are offline data already.
        """
        self._columns.append_fixed(columns)

    def load_offline_transitions(self, transitions: Iterable[Transition]) -> int:
        """Adds a fixed data set as `load_offline` does, from transitions.

        Those that nothing explains, as of `insert`, are left out.

        Returns:
            How many were added.

        Raises:
            InvalidTransitionError: A field has another length than configured.
            LearnerError: There are offline data already, or nothing explains any of these.
        """
        kept: list[dict[str, ArrayLike]] = []
        for transition in transitions:
            self._check_lengths(transition)
            if self._explains(transition):
                kept.append(self._values(transition))
        if not kept:
            raise LearnerError("nothing of these data can be learned from")
        self.load_offline(
            {
                name: np.array([row[name] for row in kept], np.float32).reshape(len(kept), -1)
                for name in kept[0]
            }
        )
        return len(kept)

    def insert(self, transition: Transition) -> InsertResult:
        """Stores a transition once; a higher revision of a stored one replaces it.

        Raises:
            InvalidTransitionError: A field has another length than configured.
            ReplayFullError: The episode alone fills the whole buffer.
        """
        self._check_lengths(transition)
        values = self._values(transition)
        key = episode_key(transition)
        if key in self._evicted:
            return InsertResult.EVICTED
        row = self._row_of(key, transition.chunk)
        if row is not None and transition.revision <= self._revision[row]:
            return InsertResult.DUPLICATE
        result = InsertResult.STORED if row is None else InsertResult.REVISED
        if row is None:
            row = self._allocate(key)
        episode = self._episodes.setdefault(key, ReplayEpisode())
        episode.rows[transition.chunk] = row
        self._columns.write(row, values)
        self._revision[row] = transition.revision
        self._is_learnable[row] = self._explains(transition)
        labelled = transition.episode_outcome is not Outcome.PENDING
        changed = [row]
        if labelled and transition.sequence > episode.label_sequence:
            episode.outcome = transition.episode_outcome
            episode.label_sequence = transition.sequence
            changed = list(episode.rows.values())
        self._sort_into_strata(changed, episode.outcome)
        return result

    def sample(self, rng: np.random.Generator, batches: int, batch_size: int) -> dict[str, Tensor]:
        """Draws minibatches with replacement, each stratum with its share of each of them.

        Needs at least one learnable transition.

        Returns:
            For each column a (batches * batch_size, width) tensor on the configured device, one
            minibatch after the other. The tensors are reused: the next call overwrites them.
        """
        return self._columns.gather(self._draw_rows(rng, batches, batch_size))

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that `load_state` needs: arrays and JSON-able metadata."""
        used = slice(self._rows_ever)
        arrays: dict[str, NDArray[Any]] = {**self._columns.head(self._rows_ever)}
        arrays["row_revision"] = self._revision[used].copy()
        arrays["row_is_learnable"] = self._is_learnable[used].astype(np.uint8)
        for name, rows in self._strata().items():
            arrays[name] = rows.members.copy()
        arrays["freed_rows"] = np.array(self._freed, np.int64)
        metadata = {
            "episodes": [
                [*key, int(e.outcome), e.label_sequence, sorted(e.rows.items())]
                for key, e in self._episodes.items()
            ],
            "evicted": sorted(self._evicted),
            "offline_sha256": self._columns.fixed_sha256,
        }
        return arrays, metadata

    def load_state(self, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
        """Restores what `state` returned; later draws equal those of the original.

        Raises:
            ResumeError: Other offline data are loaded than when `state` was called.
        """
        theirs, mine = metadata["offline_sha256"], self._columns.fixed_sha256
        if theirs != mine:
            raise ResumeError(
                f"the checkpoint was written with offline data {theirs or 'none'}, this run has "
                f"{mine or 'none'} (SHA-256); resume with the same data (learning.offline_data) "
                "and, where it found their latents, the same hindsight, or start a new run"
            )
        self._rows_ever = len(arrays["row_revision"])
        used = slice(self._rows_ever)
        self._columns.load_head(self._rows_ever, arrays)
        self._revision[used] = arrays["row_revision"]
        self._is_learnable[used] = arrays["row_is_learnable"].astype(np.bool_)
        for name, rows in self._strata().items():
            rows.load(arrays[name])
        self._freed = arrays["freed_rows"].tolist()
        self._episodes = {
            (robot, session, number): ReplayEpisode(dict(rows), Outcome(outcome), label_sequence)
            for robot, session, number, outcome, label_sequence, rows in metadata["episodes"]
        }
        self._evicted = {(robot, session, n) for robot, session, n in metadata["evicted"]}

    def _strata(self) -> dict[str, RowSet]:
        return {
            "learnable_rows": self._learnable,
            "successful_rows": self._successful,
            "failed_rows": self._failed,
        }

    def _draw_rows(self, rng: np.random.Generator, batches: int, batch_size: int) -> IntArray:
        config = self.config
        sizes = {
            "successes": int(batch_size * config.success_share) if self._successful else 0,
            "failures": int(batch_size * config.failure_share) if self._failed else 0,
            "offline": int(batch_size * config.offline_share) if self.offline else 0,
        }
        from_all = batch_size - sum(sizes.values())
        parts = [self._learnable.draw(rng, (batches, from_all))]
        if sizes["successes"]:
            parts.append(self._successful.draw(rng, (batches, sizes["successes"])))
        if sizes["failures"]:
            parts.append(self._failed.draw(rng, (batches, sizes["failures"])))
        if sizes["offline"]:
            offline = rng.integers(self.offline, size=(batches, sizes["offline"]))
            parts.append(config.capacity + offline)
        # Ascending rows within a minibatch make the gather walk memory forwards.
        return np.sort(np.concatenate(parts, axis=1), axis=1).ravel()

    def _check_lengths(self, transition: Transition) -> None:
        for name in ("features", "z", "epsilon", "next_features"):
            got, want = getattr(transition, name).shape, (self._columns.width(name),)
            if got != want and not (name in STEERED and unsteered(transition)):
                raise InvalidTransitionError(
                    f"transition {transition.sequence} of session {transition.session!r}: {name} "
                    f"has shape {got}, this learner was configured for {want}; start it with the "
                    "sizes that the policy server announces"
                )

        self._candidates.check(transition)

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
            for rows in self._strata().values():
                rows.set(row, present=False)
            self._freed.append(row)
        self._evicted.add(oldest)

    def _values(self, transition: Transition) -> dict[str, ArrayLike]:
        """What its row holds, by column."""
        values: dict[str, ArrayLike] = {
            name: getattr(transition, name) for name in (*FLOAT_FIELDS, "terminated")
        }
        if unsteered(transition):
            values |= {n: np.zeros(self._columns.width(n), np.float32) for n in STEERED}
        if self._actions_dim:
            values["actions"] = actions_row(transition, self._actions_dim)
        return values | self._candidates.values(transition)

    def _explains(self, transition: Transition) -> bool:
        """Whether the critic may learn from it."""
        if self._actions_dim:
            return explains_actions(transition, self._actions_dim)
        return explains_latent(transition)

    def _sort_into_strata(self, rows: Iterable[int], outcome: Outcome) -> None:
        """Decides again which of an episode's rows may be drawn, and as what.

        Args:
            rows: Those that changed: a new one, or after a label all of them.
            outcome: Of the episode.
        """
        kept = outcome is not Outcome.DISCARDED
        succeeded = outcome is Outcome.SUCCESS
        failed = outcome in FAILED
        for row in rows:
            learnable = kept and bool(self._is_learnable[row])
            self._learnable.set(row, present=learnable)
            self._successful.set(row, present=learnable and succeeded)
            self._failed.set(row, present=learnable and failed)
