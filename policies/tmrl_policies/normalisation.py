"""Statistics that turn raw units into numbers of unit variance; they travel in the checkpoint."""

import torch
from torch import Tensor, nn


class Normaliser(nn.Module):
    """Shifts and scales the last dimension to zero mean and unit variance."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        """Starts as the identity on ``dim`` numbers."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Takes the statistics of ``values``, shape (N, dim).

        A column that never varies gets scale 1, so that it maps to zero instead of exploding when
        it does vary downstream.
        """
        if self.mean.numel() == 0:
            return
        std = values.std(dim=0)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def normalise(self, values: Tensor) -> Tensor:
        """Returns normalised values of the same shape (..., dim)."""
        return (values - self.mean) / self.std

    def restore(self, values: Tensor) -> Tensor:
        """Returns raw values for normalised ones of shape (..., dim)."""
        return values * self.std + self.mean
