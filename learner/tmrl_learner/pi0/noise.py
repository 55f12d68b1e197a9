"""The random numbers of a gradient step.

They follow from the seed and the step's number alone. So a resumed run draws what an uninterrupted
one draws, and several processes agree on a batch of which each computes a part.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tmrl_policies.pi0.config import Pi0Config

_FLOW_ALPHA = 1.5
_FLOW_SCALE = 0.999
_FLOW_OFFSET = 0.001


class StepNoise(NamedTuple):
    """Noise of B chunks, on the CPU.

    Attributes:
        flow: Shape (B, H, action_dim), normal.
        flow_time: Shape (B,), Beta(1.5, 1) * 0.999 + 0.001: mostly near 1, which is noise.
        sigma: Context times, shape (B,), uniform in [0, 1] and independent of the flow time.
        epsilon: Context noise, shape (B, context width), normal: one vector per chunk.
    """

    flow: Tensor
    flow_time: Tensor
    sigma: Tensor
    epsilon: Tensor


def draw_noise(config: Pi0Config, size: int, seed: int, step: int) -> StepNoise:
    """Draws the noise of a whole batch (method: paper, workshop version, Algorithm 1).

    Args:
        config: Sizes; without context smoothing sigma and epsilon are drawn too, and not looked
            at by the network.
        size: B, over all processes.
        seed: Of the run.
        step: Number of the gradient step.
    """
    generator = torch.Generator().manual_seed(_mixed(seed, step))
    uniform = torch.rand(size, generator=generator)
    return StepNoise(
        flow=torch.randn(size, config.horizon, config.action_dim, generator=generator),
        # Beta(a, 1) is the a-th root of a uniform number.
        flow_time=uniform ** (1.0 / _FLOW_ALPHA) * _FLOW_SCALE + _FLOW_OFFSET,
        sigma=torch.rand(size, generator=generator),
        epsilon=torch.randn(size, config.context_dim, generator=generator),
    )


def _mixed(seed: int, step: int) -> int:
    """One seed out of two numbers, such that neighbours have nothing in common."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) % 2**64
    mixed ^= mixed >> 31
    return (mixed * 0xBF58476D1CE4E5B9) % 2**63
