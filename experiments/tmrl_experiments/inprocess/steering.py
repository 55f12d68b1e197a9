"""The three ways in which a chunk is steered, as the policy server knows them."""

import numpy as np
import torch

from tmrl_common.types import FloatArray, Steering, SteeringSource
from tmrl_learner.algorithms.interface import Algorithm
from tmrl_policies.steering import scale_steering

_DRAWN_BY_THE_POLICY = np.zeros(0, np.float32)


def base_steering(noise_shape: tuple[int, int], rng: np.random.Generator) -> Steering:
    """The frozen policy as it was trained: fresh Gaussian noise for every step, sigma 0."""
    noise = rng.standard_normal(noise_shape, dtype=np.float32)
    return Steering(SteeringSource.BASE, noise, 0.0, _DRAWN_BY_THE_POLICY)


def uniform_steering(
    agent: Algorithm, rng: np.random.Generator, marginal_fraction: float
) -> Steering:
    """Every head uniform over its range: exploration before there is anything to learn from.

    Args:
        agent: Its heads and bounds.
        rng: Source of the randomness.
        marginal_fraction: Share of draws, in [0, 1], whose sigma is the largest instead.
    """
    z, tau, epsilon = (
        torch.from_numpy(rng.uniform(-1.0, 1.0, (1, dim)).astype(np.float32))
        for dim in agent.actor.config.head_dims
    )
    if rng.random() < marginal_fraction:
        tau = torch.ones_like(tau)
    return _scaled(agent, SteeringSource.UNIFORM, z, tau, epsilon)


@torch.no_grad()
def actor_steering(agent: Algorithm, features: FloatArray, generator: torch.Generator) -> Steering:
    """A draw from the actor, (S,) features; the generator is on the agent's device."""
    sample = agent.actor.sample(torch.from_numpy(features)[None].to(agent.device), generator)
    heads = (head.cpu() for head in (sample.z, sample.tau, sample.epsilon))
    return _scaled(agent, SteeringSource.ACTOR, *heads)


def _scaled(
    agent: Algorithm,
    source: SteeringSource,
    z: torch.Tensor,
    tau: torch.Tensor,
    epsilon: torch.Tensor,
) -> Steering:
    scaled = scale_steering(z, tau, epsilon, agent.bounds)
    return Steering(source, scaled.z[0].numpy(), float(scaled.sigma), scaled.epsilon[0].numpy())
