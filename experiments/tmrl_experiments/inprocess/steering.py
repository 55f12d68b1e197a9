"""The three ways in which a chunk is steered, as the policy server knows them."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
import torch

from tmrl_common.types import FloatArray, Steering, SteeringSource
from tmrl_learner.algorithms.interface import Algorithm
from tmrl_policies.steering import scale_steering


class Drawn(StrEnum):
    """What is drawn at random instead of learned."""

    NOTHING = "nothing"
    Z = "z"
    SIGMA = "sigma"


_DRAWN_BY_THE_POLICY = np.zeros(0, np.float32)


def base_steering(
    noise_shape: tuple[int, int], rng: np.random.Generator, sigma: float = 0.0
) -> Steering:
    """The frozen policy as it was trained: fresh Gaussian noise for every step, at one sigma."""
    noise = rng.standard_normal(noise_shape, dtype=np.float32)
    return Steering(SteeringSource.BASE, noise, sigma, _DRAWN_BY_THE_POLICY)


def uniform_steerings(
    agent: Algorithm,
    count: int,
    rng: np.random.Generator,
    marginal_fraction: float,
    context_fraction: float = 0.0,
) -> list[Steering]:
    """Every head uniform over its range: exploration before there is anything to learn from.

    Where sigma is one of some levels, the one nearest to the draw is taken.

    Args:
        agent: Its heads and bounds.
        count: How many chunks are steered, each on its own.
        rng: Source of the randomness.
        marginal_fraction: Share of draws, in [0, 1], whose sigma is the largest instead.
        context_fraction: Share of draws whose sigma is 0 instead.
    """
    z, tau, epsilon = (
        torch.from_numpy(rng.uniform(-1.0, 1.0, (count, dim)).astype(np.float32))
        for dim in agent.actor.config.head_dims
    )
    share = torch.from_numpy(rng.random(count))
    tau[share < marginal_fraction] = 1.0
    tau[share >= 1.0 - context_fraction] = -1.0
    if agent.actor.config.sigma_levels:
        levels = agent.actor.levels(tau)
        tau = levels[(tau - levels).abs().argmin(dim=-1, keepdim=True)]
    return _scaled(agent, SteeringSource.UNIFORM, z, tau, epsilon)


@torch.no_grad()
def actor_steerings(
    agent: Algorithm, features: FloatArray, generator: torch.Generator
) -> list[Steering]:
    """A draw from the actor for each row of features, (N, S).

    The generator is on the agent's device.
    """
    sample = agent.actor.sample(torch.from_numpy(features).to(agent.device), generator)
    heads = (head.cpu() for head in (sample.z, sample.tau, sample.epsilon))
    return _scaled(agent, SteeringSource.ACTOR, *heads)


def drawn_at_random(
    what: Drawn, chosen: Steering, agent: Algorithm, rng: np.random.Generator
) -> Steering:
    """Puts a draw in the place of one choice; the learner sees what was drawn.

    Args:
        what: Sigma, evenly up to its bound; or z, as the policy was trained: a standard normal one.
        chosen: What was to be done.
        agent: Its bounds.
        rng: Source of the randomness.
    """
    if what is Drawn.SIGMA:
        return replace(chosen, sigma=float(rng.uniform(0.0, agent.bounds.sigma_max)))
    if what is Drawn.Z:
        return replace(chosen, z=rng.standard_normal(chosen.z.shape, dtype=np.float32))
    return chosen


def _scaled(
    agent: Algorithm,
    source: SteeringSource,
    z: torch.Tensor,
    tau: torch.Tensor,
    epsilon: torch.Tensor,
) -> list[Steering]:
    scaled = scale_steering(z, tau, epsilon, agent.bounds)
    rows = zip(scaled.z.numpy(), scaled.sigma.tolist(), scaled.epsilon.numpy(), strict=True)
    return [Steering(source, *row) for row in rows]
