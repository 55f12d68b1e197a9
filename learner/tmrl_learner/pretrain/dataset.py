"""Demonstrations from an npz file, cut into the action chunks that a policy learns from."""

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.errors import LearnerError
from tmrl_policies.flow_policy import PolicyBatch
from tmrl_policies.torch_seam import from_numpy


class DemonstrationError(LearnerError):
    """A demonstration file cannot be used; the message says why."""


@dataclass(frozen=True)
class DemonstrationSet:
    """E episodes of N control steps, row after row.

    Attributes:
        proprio: Shape (N, P), float32.
        context: Shape (N, C), float32.
        actions: Shape (N, A), float32: motion deltas, then the absolute gripper opening.
        episode_starts: First row of each episode, shape (E,), int64.
        episode_lengths: Rows of each episode, shape (E,), int64.
    """

    proprio: NDArray[np.float32]
    context: NDArray[np.float32]
    actions: NDArray[np.float32]
    episode_starts: NDArray[np.int64]
    episode_lengths: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuses rows that do not fit together.

        Raises:
            DemonstrationError: Different numbers of rows, values that are not finite, or episodes
                that do not tile the rows.
        """
        rows = len(self.actions)
        for name in ("proprio", "context", "actions"):
            values = getattr(self, name)
            if values.ndim != 2 or len(values) != rows:
                raise DemonstrationError(
                    f"'{name}' has shape {values.shape}; it needs {rows} rows of numbers"
                )
            if not np.isfinite(values).all():
                raise DemonstrationError(f"'{name}' holds values that are not finite")
        ends = np.cumsum(self.episode_lengths)
        starts = ends - self.episode_lengths
        tiled = (
            len(ends) > 0
            and (self.episode_lengths > 0).all()
            and np.array_equal(starts, self.episode_starts)
            and ends[-1] == rows
        )
        if not tiled:
            raise DemonstrationError(
                f"episode_starts and episode_lengths do not tile the {rows} rows one after another"
            )

    @property
    def episodes(self) -> int:
        """Number E of episodes."""
        return len(self.episode_lengths)

    def sha256(self) -> str:
        """Content hash of all arrays, hexadecimal."""
        digest = hashlib.sha256()
        for field in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return digest.hexdigest()


def load_demonstrations(path: Path) -> DemonstrationSet:
    """Reads ``path``, an npz with the five arrays of :class:`DemonstrationSet`.

    Raises:
        DemonstrationError: The file is absent, an array is missing, or they do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return DemonstrationSet(
                proprio=archive["proprio"].astype(np.float32),
                context=archive["context"].astype(np.float32),
                actions=archive["actions"].astype(np.float32),
                episode_starts=archive["episode_starts"].astype(np.int64),
                episode_lengths=archive["episode_lengths"].astype(np.int64),
            )
    except (OSError, ValueError, KeyError) as error:
        raise DemonstrationError(f"{path} is not a demonstration file: {error}") from error


def cut_chunks(demonstrations: DemonstrationSet, horizon: int) -> PolicyBatch:
    """Makes one chunk start at every recorded row.

    Past the end of its episode a chunk holds: zero deltas and the last gripper opening. So every
    episode counts, however short, and the end of a task teaches to stand still.

    Args:
        demonstrations: E episodes of N rows in all.
        horizon: Number H of actions in a chunk.

    Returns:
        N samples: proprio (N, P), context (N, C), actions (N, H, A).
    """
    rows = np.arange(len(demonstrations.actions))
    lengths = demonstrations.episode_lengths
    last_rows = np.repeat(demonstrations.episode_starts + lengths - 1, lengths)
    wanted = rows[:, None] + np.arange(horizon)
    past_end = wanted > last_rows[:, None]
    actions = demonstrations.actions[np.minimum(wanted, last_rows[:, None])]
    actions[..., :-1][past_end] = 0.0
    return PolicyBatch(
        proprio=from_numpy(demonstrations.proprio),
        context=from_numpy(demonstrations.context),
        actions=from_numpy(actions),
    )


def split_episodes(
    demonstrations: DemonstrationSet, validation_fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splits by whole episodes, so that no validation row has a neighbour in training.

    Args:
        demonstrations: At least two episodes.
        validation_fraction: Share of episodes held out, at least one of them.
        seed: Of the choice.

    Returns:
        Row numbers for training and for validation, each sorted.

    Raises:
        DemonstrationError: There is only one episode.
    """
    episodes = demonstrations.episodes
    if episodes < 2:
        raise DemonstrationError("one episode cannot be split; record at least two")
    held_out = min(max(1, round(episodes * validation_fraction)), episodes - 1)
    order = np.random.default_rng(seed).permutation(episodes)
    is_validation = np.zeros(episodes, dtype=bool)
    is_validation[order[:held_out]] = True
    per_row = np.repeat(is_validation, demonstrations.episode_lengths)
    return np.flatnonzero(~per_row), np.flatnonzero(per_row)
