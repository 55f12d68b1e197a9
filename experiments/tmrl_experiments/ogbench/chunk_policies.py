"""Frozen policies as the benchmarks use them: a batch of scenes and steerings in, chunks out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from tmrl_common.types import FloatArray, Steering
from tmrl_experiments.ogbench.benchmarks import Benchmark
from tmrl_policies.flow_policy import FlowPolicy


class SteeredPolicy(Protocol):
    """What reinforcement steers."""

    @property
    def z_dim(self) -> int:
        """Length of the latent that an actor chooses."""
        ...

    @property
    def features_dim(self) -> int:
        """Length S of what `features` returns."""
        ...

    def features(self, observations: FloatArray) -> FloatArray:
        """What the steering actor sees, (N, P + C) to (N, S)."""
        ...

    def act(self, observations: FloatArray, steerings: Sequence[Steering]) -> FloatArray:
        """The steps to execute, (N, h, A), raw units, for N scenes and as many steerings."""
        ...


@dataclass(frozen=True)
class FlowChunks:
    """A flow policy steered by its initial noise and by one number: sigma, or a guidance weight.

    Attributes:
        policy: Frozen, in evaluation mode.
        benchmark: What it was trained for.
        guidance_max: Where above 0, a steering's sigma s in [0, 1] means the guidance weight
            (1 - s) * guidance_max, so that 1 is the marginal here too (TMRL-CFG).
        generator: Of context noise that nobody steers.
    """

    policy: FlowPolicy
    benchmark: Benchmark
    guidance_max: float
    generator: torch.Generator

    @property
    def z_dim(self) -> int:
        """A: one row, repeated over the horizon."""
        return self.benchmark.action_dim

    @property
    def features_dim(self) -> int:
        """Of robot state, context and waves."""
        where = self.benchmark
        return where.proprio_dim + where.context_dim + 4 * len(where.wavelengths_m)

    @torch.no_grad()
    def features(self, observations: FloatArray) -> FloatArray:
        """Robot state and context, normalised by the policy's statistics, then the waves."""
        proprio, context = self._split(observations)
        normalised = (
            self.policy.proprio_normaliser.normalise(proprio),
            self.policy.context_normaliser.normalise(context),
        )
        waves = torch.from_numpy(self.benchmark.waves(observations))
        return torch.cat([*normalised, waves], dim=-1).numpy()

    def act(self, observations: FloatArray, steerings: Sequence[Steering]) -> FloatArray:
        """Draws the chunks of all scenes in one batch."""
        proprio, context = self._split(observations)
        shape = (self.benchmark.horizon, self.benchmark.action_dim)
        noise = torch.from_numpy(np.stack([np.broadcast_to(s.z, shape) for s in steerings]))
        sigma = torch.tensor([s.sigma for s in steerings])
        if self.guidance_max > 0.0:
            weight = (1.0 - sigma) * self.guidance_max
            actions = self.policy.sample_guided(proprio, context, weight, noise)
        else:
            epsilon = torch.randn(context.shape, generator=self.generator)
            actions = self.policy.sample(proprio, context, sigma, epsilon, noise)
        return actions[:, : self.benchmark.execute_steps].numpy()

    def _split(self, observations: FloatArray) -> tuple[torch.Tensor, torch.Tensor]:
        joined = torch.from_numpy(observations)
        return joined[:, : self.benchmark.proprio_dim], joined[:, self.benchmark.proprio_dim :]


@dataclass(frozen=True)
class RawActions:
    """No policy at all: the latent is the chunk that is executed (RLPD).

    Attributes:
        view: Whose statistics normalise the observations, so that all methods see the same.
        benchmark: Gives the shape of a chunk.
    """

    view: FlowChunks
    benchmark: Benchmark

    @property
    def z_dim(self) -> int:
        """H * A."""
        return self.benchmark.execute_steps * self.benchmark.action_dim

    @property
    def features_dim(self) -> int:
        """As of `view`."""
        return self.view.features_dim

    def features(self, observations: FloatArray) -> FloatArray:
        """As of `view`."""
        return self.view.features(observations)

    def act(self, observations: FloatArray, steerings: Sequence[Steering]) -> FloatArray:
        """The latents, reshaped."""
        shape = (len(observations), self.benchmark.execute_steps, self.benchmark.action_dim)
        return np.stack([s.z for s in steerings]).reshape(shape)
