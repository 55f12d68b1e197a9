"""The random numbers of a gradient step.

They follow from the seed, the step's number and the place in the batch alone. So a resumed run
draws what an uninterrupted one draws, and several processes agree on a batch of which each computes
a part.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from tmrl_policies.pi0.config import Pi0Config

_FLOW_ALPHA = 1.5
_FLOW_SCALE = 0.999
_FLOW_OFFSET = 0.001


class StepNoise(NamedTuple):
    """Noise of B chunks but for that of their contexts, on the CPU.

    Attributes:
        flow: Shape (B, H, action_dim), normal.
        flow_time: Shape (B,), Beta(1.5, 1) * 0.999 + 0.001: mostly near 1, which is noise.
        sigma: Context times, shape (B,), uniform in [0, 1] and independent of the flow time.
    """

    flow: Tensor
    flow_time: Tensor
    sigma: Tensor


class ContextShape(NamedTuple):
    """What the contexts of a part of a batch are made of.

    Attributes:
        image_tokens: Of all images of a chunk.
        text_tokens: Of the longest prompt of the part.
        device: Where they are.
    """

    image_tokens: int
    text_tokens: int
    device: torch.device


def draw_noise(config: Pi0Config, size: int, seed: int, step: int) -> StepNoise:
    """Draws the noise of a whole batch (method: paper, workshop version, Algorithm 1).

    Args:
        config: Sizes; without context smoothing sigma is drawn too, and not looked at by the
            network.
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
    )


def draw_context_noise(
    config: Pi0Config, places: range, seed: int, step: int, shape: ContextShape
) -> Tensor:
    """Draws the noise of the contexts of some chunks, for each token of its own.

    One vector for all tokens of a chunk would leave the differences between tokens, and with them
    all that the prefix says, as they are at every context time.

    Args:
        config: Sizes.
        places: Of the chunks in the whole batch.
        seed: Of the run.
        step: Number of the gradient step.
        shape: Of the contexts.

    Returns:
        Shape (len(places), P, context width), normal, on the device; P is 0 without context
        smoothing. The same seed draws other numbers on another kind of device.
    """
    if not config.context_smoothing:
        return torch.empty(len(places), 0, config.context_dim, device=shape.device)
    generator = torch.Generator(shape.device)
    # As much for every chunk, however long the longest prompt beside it is.
    most = shape.image_tokens + config.prompt_tokens
    rows: list[Tensor] = []
    for place in places:
        generator.manual_seed(_mixed(_mixed(seed, step), place))
        row = torch.randn(most, config.context_dim, generator=generator, device=shape.device)
        rows.append(row[: shape.image_tokens + shape.text_tokens])
    return torch.stack(rows)


def _mixed(seed: int, step: int) -> int:
    """One seed out of two numbers, such that neighbours have nothing in common."""
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) % 2**64
    mixed ^= mixed >> 31
    return (mixed * 0xBF58476D1CE4E5B9) % 2**63
