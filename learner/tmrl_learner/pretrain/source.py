"""Where batches come from: a fixed set of demonstrations, or whatever else draws samples."""

import hashlib
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from tmrl_learner.pretrain.dataset import DemonstrationSet, cut_chunks, split_episodes
from tmrl_policies.flow_policy import PolicyBatch
from tmrl_policies.torch_seam import from_numpy


class BatchSource(Protocol):
    """Samples to learn from, in raw units.

    A source need not hold its samples: goal-conditioned data sets label the same rows with new
    goals for every batch.
    """

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        """Draws ``size`` training samples; all randomness comes from ``generator``."""
        ...

    def validation(self) -> PolicyBatch:
        """Held-out samples, the same at every call."""
        ...

    def statistics(self) -> PolicyBatch:
        """N training samples that stand for all, the same at every call.

        Normalisers are fitted on them, and the ensemble of PostBC.
        """
        ...

    def episodes(self) -> Tensor:
        """Number of the episode of each sample of :meth:`statistics`, shape (N,), int64."""
        ...

    def sha256(self) -> str:
        """Hash of everything that decides what is drawn, hexadecimal."""
        ...


class DemonstrationSource:
    """Chunks that start at the rows of recorded demonstrations, some episodes held out."""

    def __init__(
        self,
        demonstrations: DemonstrationSet,
        horizon: int,
        validation_fraction: float,
        seed: int,
    ) -> None:
        """Cuts the chunks and holds out whole episodes.

        Args:
            demonstrations: At least two episodes.
            horizon: Number H of actions in a chunk.
            validation_fraction: Share of episodes held out, at least one of them.
            seed: Of the choice of these episodes.

        Raises:
            DemonstrationError: There is only one episode.
        """
        chunks = cut_chunks(demonstrations, horizon)
        training, validation = split_episodes(demonstrations, validation_fraction, seed)
        self._training = _rows(chunks, from_numpy(training))
        self._validation = _rows(chunks, from_numpy(validation))
        lengths = demonstrations.episode_lengths
        self._episodes = from_numpy(np.repeat(np.arange(len(lengths)), lengths)[training])
        parts = (demonstrations.sha256(), horizon, validation_fraction, seed)
        self._sha256 = hashlib.sha256(repr(parts).encode()).hexdigest()

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        """Draws training rows with replacement."""
        rows = torch.randint(len(self._training.actions), (size,), generator=generator)
        return _rows(self._training, rows)

    def validation(self) -> PolicyBatch:
        """All rows of the episodes held out."""
        return self._validation

    def statistics(self) -> PolicyBatch:
        """All training rows."""
        return self._training

    def episodes(self) -> Tensor:
        """Number of the episode of each training row, shape (N,), int64."""
        return self._episodes

    def sha256(self) -> str:
        """Hash of the demonstrations and of how they are cut and split."""
        return self._sha256


def _rows(data: PolicyBatch, rows: Tensor) -> PolicyBatch:
    return PolicyBatch(data.proprio[rows], data.context[rows], data.actions[rows])
