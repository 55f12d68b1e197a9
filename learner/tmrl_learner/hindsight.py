"""Which latent would have made the policy do what a person did.

A person's segment has actions and no latent, so a critic of latents cannot learn from it. But the
frozen policy is at hand: of many candidates the one is taken whose chunk comes closest to what was
executed. Where none comes close the person did what the policy cannot, and the row stays out.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.chunks import Driver
from tmrl_common.transitions import Transition
from tmrl_learner.config import HindsightConfig
from tmrl_learner.frozen_policy import SteeredPolicy
from tmrl_learner.replay.transition import actions_row, explains_actions, unsteered
from tmrl_policies.steering import SteeringBounds
from tmrl_policies.torch_seam import from_numpy

_FINALISTS = 16
_NOISES = 8
"""Context noises under which each finalist is tried, where the actor does not choose the noise."""


def driven_by_hand(transition: Transition, width: int) -> bool:
    """Whether a person drove from beginning to end, for as long as a row of that width shows."""
    by_hand = unsteered(transition) and bool((transition.driver == Driver.TELEOP).all())
    return by_hand and explains_actions(transition, width)


class _Latents(NamedTuple):
    z: Tensor
    sigma: Tensor
    epsilon: Tensor

    def picked(self, rows: Tensor) -> "_Latents":
        return _Latents(*(column[rows] for column in self))


class HindsightLatents:
    """Searches within the actor's own bounds, so that what is found can be chosen again.

    Equal seeds and transitions have equal results, in whatever order they come.

    Args:
        config: How far it searches.
        policy: The frozen policy, on `device`.
        bounds: Of the actor.
        z_dim: Z, length of a latent.
        epsilon_dim: E, length of a context noise.
        heads: Whether the actor chooses sigma, and whether it chooses epsilon.
        seed: Of the candidates.
        device: Torch device of the policy.
    """

    def __init__(
        self,
        config: HindsightConfig,
        policy: SteeredPolicy,
        bounds: SteeringBounds,
        z_dim: int,
        epsilon_dim: int,
        heads: tuple[bool, bool],
        seed: int,
        device: str,
    ) -> None:
        self._config = config
        self._policy = policy
        self._bounds = bounds
        self._z_dim = z_dim
        self._epsilon_dim = epsilon_dim
        self._chooses_sigma, self._chooses_epsilon = heads
        self._seed = seed
        self._device = device

    def explain(self, transition: Transition) -> Transition:
        """The transition with the latent that explains it; as it came where none does.

        Args:
            transition: Anything; only what a person drove from beginning to end is looked at.
        """
        if not driven_by_hand(transition, self._policy.width):
            return transition
        found, distance = self._search(transition)
        if distance > self._config.tolerance:
            return transition
        epsilon = found.epsilon[0].cpu().numpy() if self._chooses_epsilon else np.zeros(0)
        return replace(
            transition,
            z=found.z[0].cpu().numpy(),
            sigma=float(found.sigma[0]),
            epsilon=epsilon.astype(np.float32),
        )

    def _search(self, transition: Transition) -> tuple[_Latents, float]:
        """The nearest candidate, as a batch of one, and its distance."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + transition.sequence)
        executed = actions_row(transition, self._policy.width)
        wanted = self._policy.normalise(from_numpy(executed)[None].to(self._device))
        # A segment that ended early says nothing about the steps that it has not.
        driven = transition.executed_actions.size
        features = from_numpy(transition.features)[None].to(self._device)

        def distances(latents: _Latents) -> Tensor:
            actions = self._policy.steered(features.expand(len(latents.z), -1), *latents)
            return (actions - wanted)[:, :driven].square().mean(dim=1).sqrt()

        latents = self._draw(generator)
        near = distances(latents).topk(min(_FINALISTS, len(latents.z)), largest=False)
        finalists, score = latents.picked(near.indices), near.values
        if not self._chooses_epsilon:
            # One that came close by the luck of its context noise will not do so again.
            again = [
                distances(finalists._replace(epsilon=self._noise(generator, finalists.epsilon)))
                for _ in range(_NOISES)
            ]
            score = torch.stack(again).square().mean(dim=0).sqrt()
        best = score.argmin()
        return finalists.picked(best[None]), float(score[best])

    def _draw(self, generator: torch.Generator) -> _Latents:
        count, bounds = self._config.candidates, self._bounds
        z = bounds.z_bound * (2.0 * torch.rand(count, self._z_dim, generator=generator) - 1.0)
        share = torch.rand(count, generator=generator)
        sigma = bounds.sigma_max * (share if self._chooses_sigma else torch.ones(count))
        epsilon = torch.zeros(count, self._epsilon_dim)
        if self._chooses_epsilon:
            drawn = torch.rand(epsilon.shape, generator=generator)
            epsilon = bounds.epsilon_bound * (2.0 * drawn - 1.0)
        else:
            epsilon = self._noise(generator, epsilon)
        return _Latents(*(column.to(self._device) for column in (z, sigma, epsilon)))

    @staticmethod
    def _noise(generator: torch.Generator, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator).to(like.device)
