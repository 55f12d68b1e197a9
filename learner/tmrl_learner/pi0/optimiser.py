"""The learning rate over the steps, AdamW, and the average of the weights."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from tmrl_learner.pi0.config import OptimiserConfig


def learning_rate(config: OptimiserConfig, step: int) -> float:
    """Learning rate of a step: linear warm-up, cosine, then constant."""
    peak, final = config.learning_rate, config.final_learning_rate
    if step < config.warmup_steps:
        first = peak / (config.warmup_steps + 1)
        return first + (peak - first) * step / config.warmup_steps
    progress = (step - config.warmup_steps) / (config.decay_steps - config.warmup_steps)
    return final + (peak - final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def make_adamw(config: OptimiserConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
    """AdamW over the trained parameters."""
    return torch.optim.AdamW(
        list(parameters),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        weight_decay=config.weight_decay,
    )


class WeightAverage:
    """Exponential moving average of the trained parameters.

    Args:
        parameters: By name; the average starts at their values.
        decay: 0 makes the average the parameters themselves.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self.values = {
            name: parameter.detach().clone() if decay else parameter.detach()
            for name, parameter in parameters.items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the parameters."""
        if self._decay:
            for name, parameter in self._parameters.items():
                self.values[name].lerp_(parameter.detach(), 1.0 - self._decay)
