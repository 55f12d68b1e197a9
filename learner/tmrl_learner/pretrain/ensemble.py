"""Small regressors that agree where demonstrations are plentiful and differ where they are scarce.

Every member learns from its own bootstrap: as many *episodes* as there are, drawn with replacement.
Rows would be the wrong unit. Neighbouring rows of an episode are nearly copies of each other, so a
resample of rows leaves something of every episode to every member, and all of them would agree even
where a single demonstration ever went.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from tmrl_learner.pretrain.config import PosteriorConfig
from tmrl_learner.pretrain.source import BatchSource
from tmrl_policies.flow_policy import PolicyBatch
from tmrl_policies.normalisation import Normaliser
from tmrl_policies.torch_seam import backward, take_step, unique_with_positions


class ChunkEnsemble(nn.Module):
    """M multilayer perceptrons as one: each weight has the members as its first dimension."""

    def __init__(
        self, config: PosteriorConfig, samples: PolicyBatch, generator: torch.Generator
    ) -> None:
        """Draws the initial weights and takes the statistics of ``samples``.

        Args:
            config: Sizes.
            samples: Stand for all data, raw units.
            generator: Source of the weights.
        """
        super().__init__()
        self._proprio = Normaliser(samples.proprio.shape[1])
        self._context = Normaliser(samples.context.shape[1])
        self._actions = Normaliser(samples.actions.shape[2])
        self._proprio.fit(samples.proprio)
        self._context.fit(samples.context)
        self._actions.fit(samples.actions.flatten(0, 1))
        self._chunk_shape = samples.actions.shape[1:]
        observed = samples.proprio.shape[1] + samples.context.shape[1]
        sizes = (observed, config.hidden, config.hidden, math.prod(self._chunk_shape))
        self._weights, self._biases = nn.ParameterList(), nn.ParameterList()
        for wide, narrow in itertools.pairwise(sizes):
            bound = 1.0 / math.sqrt(wide)
            weight = torch.empty(config.members, wide, narrow)
            self._weights.append(weight.uniform_(-bound, bound, generator=generator))
            self._biases.append(torch.zeros(config.members, 1, narrow))

    def normalised(self, samples: PolicyBatch) -> tuple[Tensor, Tensor]:
        """Returns inputs (N, P + C) and targets (N, H * A), both in normalised units."""
        return (
            self._inputs(samples.proprio, samples.context),
            self._actions.normalise(samples.actions).flatten(1),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps normalised inputs (M, B, P + C) to normalised chunks (M, B, H * A)."""
        h = inputs
        last = len(self._weights) - 1
        for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            if layer < last:
                h = functional.silu(h)
        return h

    @torch.no_grad()
    def deviation(self, proprio: Tensor, context: Tensor) -> Tensor:
        """Standard deviation of the members' chunks, the posterior's over the demonstrator's.

        Args:
            proprio: Shape (B, P), raw units.
            context: Shape (B, C), raw units.

        Returns:
            Shape (B, H, A), raw units of the actions.
        """
        inputs = self._inputs(proprio, context)
        chunks = self(inputs.expand(len(self._biases[0]), -1, -1))
        return chunks.std(dim=0).view(-1, *self._chunk_shape) * self._actions.std

    def _inputs(self, proprio: Tensor, context: Tensor) -> Tensor:
        parts = (self._proprio.normalise(proprio), self._context.normalise(context))
        return torch.cat(parts, dim=-1)


def fit_ensemble(config: PosteriorConfig, source: BatchSource, seed: int) -> ChunkEnsemble:
    """Trains an ensemble on bootstraps of ``source.statistics()``, with a progress bar.

    The learning rate falls to zero, so that in the end the members differ by their episodes and
    initial weights and not by their last batches.

    Args:
        config: Sizes and length.
        source: What to learn from.
        seed: The same one gives the same ensemble on the same machine.
    """
    generator = torch.Generator().manual_seed(seed)
    samples = source.statistics()
    ensemble = ChunkEnsemble(config, samples, generator)
    inputs, targets = ensemble.normalised(samples)
    rows, lengths = bootstrap_rows(source.episodes(), config.members, generator)
    optimiser = torch.optim.Adam(ensemble.parameters(), lr=config.learning_rate, foreach=True)
    shape = (config.members, config.batch_size)
    for step in tqdm(range(config.steps), desc="posterior ensemble", unit="step"):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (1.0 - step / config.steps)
        share = torch.rand(shape, generator=generator, dtype=torch.float64)
        drawn = rows.gather(1, (share * lengths[:, None]).long())
        # The sum over members keeps the gradient of each what it would be alone.
        errors = functional.mse_loss(ensemble(inputs[drawn]), targets[drawn], reduction="none")
        loss = errors.mean(dim=(1, 2)).sum()
        optimiser.zero_grad()
        backward(loss)
        take_step(optimiser)
    return ensemble.eval().requires_grad_(requires_grad=False)


def bootstrap_rows(
    episodes: Tensor, members: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draws whole episodes with replacement, once for every member.

    Args:
        episodes: Number of the episode of every row, shape (N,), int64.
        members: Number M of bootstraps.
        generator: Source of the draws.

    Returns:
        Row numbers of every member, shape (M, L), int64, padded with zeros; a row stands there as
        often as its episode was drawn. And how many of them count, shape (M,), int64.
    """
    present, position = unique_with_positions(episodes)
    every_row = torch.arange(len(episodes))
    rows: list[Tensor] = []
    for _ in range(members):
        drawn = torch.randint(len(present), (len(present),), generator=generator)
        times = torch.bincount(drawn, minlength=len(present))
        rows.append(every_row.repeat_interleave(times[position]))
    lengths = torch.tensor([len(member) for member in rows])
    return pad_sequence(rows, batch_first=True), lengths
