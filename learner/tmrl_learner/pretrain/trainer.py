"""Gradient steps on a flow policy, with everything needed to continue after an interruption."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tmrl_learner.pretrain.config import PretrainConfig, check_shape
from tmrl_learner.pretrain.source import BatchSource
from tmrl_learner.pretrain.training_state import (
    moments_of,
    restore_moments,
    same_training,
    with_prefix,
)
from tmrl_policies.checkpoint import load_tensors_into, save_checkpoint
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig
from tmrl_policies.torch_seam import backward, seeded, take_step

_KIND = "pretraining"
_VALIDATION_SEED = 1
_POLICY, _AVERAGE = "policy.", "average."


@dataclass(frozen=True)
class ValidationLoss:
    """Flow-matching loss of the averaged weights on held-out samples.

    Attributes:
        clean: With exact contexts.
        marginal: Without contexts: pure noise for a smoothed policy, the null context for one
            with context dropout; equal to ``clean`` for the others. Where the two meet, the policy
            has stopped looking at its context.
    """

    clean: float
    marginal: float


class FlowTrainer:
    """AdamW with warm-up; the averaged weights are the result.

    The same configuration and source give the same weights on the same machine, also when the
    training was interrupted and resumed.
    """

    def __init__(
        self, config: PretrainConfig, shape: FlowPolicyConfig, source: BatchSource
    ) -> None:
        """Prepares step 0.

        Args:
            config: How to train.
            shape: Sizes of the policy.
            source: What to learn from.

        Raises:
            ConfigError: Smoothing and context dropout of ``shape`` are not the method's.
        """
        check_shape(config, shape)
        self.config = config
        self.step = 0
        self._source = source
        self._validation = source.validation()
        self._generator = torch.Generator().manual_seed(config.seed)
        with seeded(config.seed, devices=None):
            self.policy = FlowPolicy(shape)
        self.policy.fit_normalisers(source.statistics())
        self.average = FlowPolicy(shape)
        self.average.load_state_dict(self.policy.state_dict())
        self.average.eval().requires_grad_(requires_grad=False)
        self._weights = list(self.policy.parameters())
        self._average_weights = list(self.average.parameters())
        self._optimiser = torch.optim.AdamW(
            self._weights,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            foreach=True,
        )

    def train_step(self) -> float:
        """Takes one gradient step and returns its loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        batch = self._source.draw(self.config.batch_size, self._generator)
        loss = self.policy.loss(batch, self._generator)
        self._optimiser.zero_grad()
        backward(loss)
        take_step(self._optimiser)
        self.step += 1
        # The average follows closely at first: the initial weights mean nothing.
        keep = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, weight in zip(self._average_weights, self._weights, strict=True):
                average.lerp_(weight, 1.0 - keep)
        return float(loss.detach())

    def _learning_rate(self) -> float:
        config = self.config
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        if config.schedule == "constant":
            return warm * config.learning_rate
        decay = 0.5 * (1.0 + math.cos(math.pi * self.step / config.steps))
        low, high = config.final_learning_rate, config.learning_rate
        return warm * (low + (high - low) * decay)

    @torch.no_grad()
    def validate(self) -> ValidationLoss:
        """Returns losses on the held-out samples, with the same noise at every call."""
        size = len(self._validation.actions)
        exact, seen = torch.zeros(size), torch.zeros(size, dtype=torch.bool)
        clean = self._validation_loss(exact, seen)
        if self.config.method == "csp":
            return ValidationLoss(clean, self._validation_loss(torch.ones(size), seen))
        if self.config.method == "cfg":
            return ValidationLoss(clean, self._validation_loss(exact, ~seen))
        return ValidationLoss(clean, clean)

    def _validation_loss(self, sigma: Tensor, dropped: Tensor) -> float:
        generator = torch.Generator().manual_seed(_VALIDATION_SEED)
        return float(self.average.loss(self._validation, generator, sigma, dropped))

    def save(self, stem: Path) -> None:
        """Writes everything needed to continue: weights, averages, optimiser, randomness, step."""
        tensors = {_POLICY + name: value for name, value in self.policy.state_dict().items()} | {
            _AVERAGE + name: value for name, value in self.average.state_dict().items()
        }
        tensors |= moments_of(self.policy, self._optimiser)
        tensors["generator"] = self._generator.get_state()
        save_checkpoint(stem, _KIND, tensors, self._identity() | {"step": self.step})

    def resume(self, stem: Path) -> None:
        """Resumes from what :meth:`save` wrote.

        Raises:
            ResumeError: It was written with other settings, sizes or data.
            CheckpointError: It is absent or damaged.
        """
        checkpoint, step = same_training(stem, _KIND, self._identity())
        load_tensors_into(self.policy, with_prefix(checkpoint, _POLICY))
        load_tensors_into(self.average, with_prefix(checkpoint, _AVERAGE))
        restore_moments(self.policy, self._optimiser, checkpoint, step)
        self._generator.set_state(checkpoint.tensors["generator"])
        self.step = step

    def _identity(self) -> dict[str, object]:
        """What must be equal for a training to be the same one, JSON-able."""
        return {
            "config": dataclasses.asdict(self.config),
            "shape": dataclasses.asdict(self.policy.config),
            "source_sha256": self._source.sha256(),
        }
