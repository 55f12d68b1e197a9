"""PostBC: targets with noise as wide as the ensemble's disagreement (paper, appendix A-D)."""

import hashlib

import torch
from torch import Tensor

from tmrl_learner.pretrain.config import PosteriorConfig
from tmrl_learner.pretrain.ensemble import fit_ensemble
from tmrl_learner.pretrain.source import BatchSource
from tmrl_policies.flow_policy import PolicyBatch


class PosteriorSource:
    """Another source's samples, their actions perturbed again in every batch.

    A plain policy trained on it covers more actions where demonstrations are scarce, and imitates
    as before where they are plentiful. Held-out samples and statistics stay as they were recorded.
    """

    def __init__(self, source: BatchSource, config: PosteriorConfig, seed: int) -> None:
        """Trains the ensemble, which takes less than a minute and shows its progress.

        Args:
            source: What to learn from.
            config: Of the ensemble, and the scale of the noise.
            seed: Of the ensemble.
        """
        self._source = source
        self._alpha = config.alpha
        self._ensemble = fit_ensemble(config, source, seed)
        parts = (source.sha256(), config, seed)
        self._sha256 = hashlib.sha256(repr(parts).encode()).hexdigest()

    def draw(self, size: int, generator: torch.Generator) -> PolicyBatch:
        """Draws what the other source draws, with noise on the actions."""
        batch = self._source.draw(size, generator)
        deviation = self._ensemble.deviation(batch.proprio, batch.context)
        noise = torch.randn(batch.actions.shape, generator=generator)
        return batch._replace(actions=batch.actions + self._alpha * deviation * noise)

    def validation(self) -> PolicyBatch:
        """The other source's held-out samples."""
        return self._source.validation()

    def statistics(self) -> PolicyBatch:
        """The other source's samples."""
        return self._source.statistics()

    def episodes(self) -> Tensor:
        """The other source's episodes."""
        return self._source.episodes()

    def sha256(self) -> str:
        """Hash of the other source and of all settings of the ensemble."""
        return self._sha256
