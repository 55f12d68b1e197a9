"""Gradient steps on the flow loss of pi0 (paper, workshop version, Algorithm 1)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from tmrl_learner.errors import LearnerError
from tmrl_learner.pi0.batches import part_slice
from tmrl_learner.pi0.config import FinetuneConfig
from tmrl_learner.pi0.network import trained_parameters
from tmrl_learner.pi0.noise import ContextShape, StepNoise, draw_context_noise, draw_noise
from tmrl_learner.pi0.optimiser import WeightAverage, learning_rate, make_adamw
from tmrl_learner.pi0.preparation import TrainingBatch
from tmrl_learner.pi0.processes import Processes
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.torch_seam import backward, take_step


class DivergedError(LearnerError):
    """The loss or its gradient is not a number any more."""


class StepResult(NamedTuple):
    """What a gradient step says.

    Attributes:
        loss: Mean squared error of the velocity over the whole batch.
        gradient_norm: Before it was clipped.
        learning_rate: Of the step.
    """

    loss: float
    gradient_norm: float
    learning_rate: float


class Pi0Trainer:
    """AdamW on the trained part of a network, and the average of what it passes through.

    The same configuration, data and number of processes give the same weights on the same machine.

    Args:
        config: How to train.
        network: From `network.build_network`.
        processes: Who trains together.

    Attributes:
        step: Gradient steps taken.
        parameters: What is trained, by name.
        optimiser: AdamW.
        average: What is served.
    """

    def __init__(self, config: FinetuneConfig, network: Pi0, processes: Processes) -> None:
        self.step = 0
        self.parameters = trained_parameters(network)
        self.optimiser = make_adamw(config.optimiser, self.parameters.values())
        self.average = WeightAverage(self.parameters, config.optimiser.ema_decay)
        self._config = config
        self._network = network
        self._processes = processes

    def train_step(self, parts: Sequence[TrainingBatch], counted: int) -> StepResult:
        """Takes one gradient step.

        Args:
            parts: This process's parts of the batch, `accumulation` of them.
            counted: Actions of the whole batch, over all processes, that count in the loss.

        Raises:
            DivergedError: The loss or the gradient is not finite; nothing was changed.
        """
        config = self._config
        noise = draw_noise(config.model, config.batch_size, config.seed, self.step)
        rate = learning_rate(config.optimiser, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        loss = torch.zeros((), device=self._processes.device)
        for number, part in enumerate(parts):
            self._reduce_gradients(now=number == len(parts) - 1)
            place = number * self._processes.count + self._processes.rank
            mine = part_slice(config.batch_size, len(parts) * self._processes.count, place)
            drawn = StepNoise(*(each[mine] for each in noise))
            places = range(config.batch_size)[mine]
            part_loss = self._part_loss(part, drawn, places) / counted
            # Processes average their gradients; the loss is a sum.
            backward(part_loss * self._processes.count)
            loss += part_loss.detach()
        norm = self._clip()
        result = StepResult(float(self._processes.total(loss)), float(norm), rate)
        self._refuse_divergence(result)
        take_step(self.optimiser)
        self.average.update()
        self.step += 1
        return result

    def _part_loss(self, part: TrainingBatch, noise: StepNoise, places: range) -> Tensor:
        """Sum over the counted actions of a part, each the mean over its columns.

        Args:
            part: Of the batch.
            noise: Of its chunks.
            places: Of its chunks in the batch.
        """
        device, model = self._processes.device, self._config.model
        part, noise = part.to(device), StepNoise(*(each.to(device) for each in noise))
        tokens = part.images.shape[1] * model.siglip.tokens
        shape = ContextShape(tokens, part.tokens.shape[1], device)
        epsilon = draw_context_noise(model, places, self._config.seed, self.step, shape)
        automatic = self._config.precision == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=automatic):
            errors = self._network.flow_loss(
                part.observations(),
                part.actions,
                noise.flow,
                noise.flow_time,
                noise.sigma,
                epsilon,
            )
        per_action = errors.mean(dim=-1)
        return (per_action if self._config.count_padding else per_action * part.inside).sum()

    def _reduce_gradients(self, *, now: bool) -> None:
        """Lets processes exchange gradients only in the last part of a batch."""
        if isinstance(self._network, FSDPModule):
            self._network.set_requires_gradient_sync(now)

    def _clip(self) -> Tensor:
        limit = self._config.optimiser.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), limit)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def _refuse_divergence(self, result: StepResult) -> None:
        finite = torch.tensor([result.loss, result.gradient_norm]).isfinite()
        if not bool(finite.all()):
            raise DivergedError(
                f"step {self.step}: the loss is {result.loss} and the norm of its gradient "
                f"{result.gradient_norm}. Start again from the last checkpoint with a lower "
                "optimiser.learning_rate; if it stays, look for extreme values in the data"
            )
