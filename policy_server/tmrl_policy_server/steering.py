"""Picks the steering of one chunk and clamps it to the request's limits.

Whatever the source, what leaves here lies within the limits, also after rounding to float32: the
controller refuses chunks above its caps, and it compares exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Act
from tmrl_common.types import FloatArray, Steering, SteeringLimits, SteeringSource
from tmrl_policies.steering import SteeringActor, SteeringBounds, scale_steering
from tmrl_policies.torch_seam import from_numpy, numbers


@dataclass(frozen=True)
class SteeringShape:
    """Sizes that steering must fit.

    Attributes:
        horizon: Rows H of a chunk.
        z_dim: Length of a row of the initial flow noise.
        epsilon_dim: Length of the context noise.
        smoothed: Whether the policy takes a sigma other than 0.
    """

    horizon: int
    z_dim: int
    epsilon_dim: int
    smoothed: bool


@dataclass(frozen=True)
class BoundedActor:
    """A steering actor with the ranges that its learner scales its values to.

    Attributes:
        network: Picks values in [-1, 1].
        bounds: What they are scaled to.
    """

    network: SteeringActor
    bounds: SteeringBounds


class Picked(NamedTuple):
    """Steering as the base policy takes it, and as the reply reports it.

    Attributes:
        noise: Initial flow noise, shape (H, z_dim), float32.
        epsilon: Context noise, float32: steered, shape (epsilon_dim,), or drawn as the base policy
            draws it.
        reported: The steering for the reply.
    """

    noise: Tensor
    epsilon: Tensor
    reported: Steering


def pick_steering(
    request: Act,
    features: Tensor,
    actor: BoundedActor | None,
    marginal_fraction: float,
    shape: SteeringShape,
    draw_epsilon: Callable[[torch.Generator], Tensor],
) -> Picked:
    """Pick, clamp and complete the steering; a deterministic function of its arguments.

    Args:
        request: Source, explicit values, limits and seed.
        features: What the actor sees, shape (1, features_dim).
        actor: The newest one; None before the first swap.
        marginal_fraction: Share of uniform draws, in [0, 1], whose sigma is the largest allowed.
        shape: Sizes of the base policy's inputs.
        draw_epsilon: Draws a context noise where none is steered, see `BasePolicy`.

    Raises:
        RequestError: The source cannot be used, or explicit values do not fit.
    """
    generator = torch.Generator().manual_seed(request.seed)
    if request.source is SteeringSource.EXPLICIT:
        raw = _explicit(request, shape)
    elif request.source is SteeringSource.ACTOR:
        raw = _from_actor(actor, features, generator)
    elif request.source is SteeringSource.UNIFORM:
        raw = _uniform(request.limits, actor, marginal_fraction, shape, generator)
    else:
        z = torch.randn(shape.horizon, shape.z_dim, generator=generator).numpy()
        raw = Steering(SteeringSource.BASE, z, 0.0, _NOTHING)
    reported = _clamp(raw, request.limits)
    steered = reported.epsilon.size > 0
    epsilon = from_numpy(reported.epsilon) if steered else draw_epsilon(generator)
    noise = from_numpy(reported.z).expand(shape.horizon, shape.z_dim)
    return Picked(noise, epsilon, reported)


_NOTHING: FloatArray = np.zeros(0, dtype=np.float32)


def _from_actor(
    actor: BoundedActor | None, features: Tensor, generator: torch.Generator
) -> Steering:
    if actor is None:
        raise RequestError(
            ErrorCode.NO_ACTOR,
            "no steering actor has been handed over since the server started; ask for 'uniform' "
            "or 'base' until the learner has sent one",
        )
    sample = actor.network.sample(features, generator)
    scaled = scale_steering(sample.z, sample.tau, sample.epsilon, actor.bounds)
    return Steering(
        SteeringSource.ACTOR,
        scaled.z[0].numpy(),
        float(scaled.sigma[0]),
        scaled.epsilon[0].numpy(),
    )


def _uniform(
    limits: SteeringLimits,
    actor: BoundedActor | None,
    marginal_fraction: float,
    shape: SteeringShape,
    generator: torch.Generator,
) -> Steering:
    """Draws within the limits and, once there is an actor, within its bounds.

    Drawn, not clipped, so that nothing piles up at a cap. Heads that the actor leaves out stay as
    the learner has them: sigma at the largest of its bounds, epsilon drawn at random.
    """
    ranges = steering_ranges(limits, actor, shape)
    z = ranges.z * _signed_uniform(shape.z_dim, generator)
    at_marginal, share = numbers(torch.rand(2, generator=generator))
    is_drawn = ranges.sigma_head and at_marginal >= marginal_fraction
    sigma = ranges.sigma * (share if is_drawn else 1.0)
    epsilon = _NOTHING
    if ranges.epsilon_head:
        epsilon = (ranges.epsilon * _signed_uniform(shape.epsilon_dim, generator)).numpy()
    return Steering(SteeringSource.UNIFORM, z.numpy(), sigma, epsilon)


class SteeringRanges(NamedTuple):
    """Within what steering is drawn where nobody chooses it.

    Attributes:
        z: Largest magnitude of a component of z.
        sigma: Largest sigma.
        epsilon: Largest magnitude of a component of a steered epsilon.
        sigma_head: Whether sigma is drawn; otherwise it is the largest.
        epsilon_head: Whether epsilon is steered.
    """

    z: float
    sigma: float
    epsilon: float
    sigma_head: bool
    epsilon_head: bool


def steering_ranges(
    limits: SteeringLimits, actor: BoundedActor | None, shape: SteeringShape
) -> SteeringRanges:
    """The limits and, once there is an actor, its bounds, whichever are narrower."""
    sigma_cap = limits.sigma_cap if shape.smoothed else 0.0
    if actor is None:
        return SteeringRanges(
            limits.z_cap, sigma_cap, limits.epsilon_cap, sigma_head=True, epsilon_head=False
        )
    bounds, config = actor.bounds, actor.network.config
    return SteeringRanges(
        min(limits.z_cap, bounds.z_bound),
        min(sigma_cap, bounds.sigma_max),
        min(limits.epsilon_cap, bounds.epsilon_bound),
        config.sigma_head,
        config.epsilon_dim > 0,
    )


def _signed_uniform(size: int, generator: torch.Generator) -> Tensor:
    """Uniform in [-1, 1), shape (size,)."""
    return 2.0 * torch.rand(size, generator=generator) - 1.0


def _explicit(request: Act, shape: SteeringShape) -> Steering:
    given = request.explicit
    if given is None:
        raise RequestError(ErrorCode.BAD_REQUEST, "explicit steering is asked for, none is given")
    z_shapes = ((shape.z_dim,), (shape.horizon, shape.z_dim))
    if given.z.shape not in z_shapes:
        detail = f"z has shape {given.z.shape}; the policy takes {z_shapes[0]} or {z_shapes[1]}"
        raise RequestError(ErrorCode.BAD_REQUEST, detail)
    if given.epsilon.shape not in ((0,), (shape.epsilon_dim,)):
        detail = f"epsilon has shape {given.epsilon.shape}; it is empty or ({shape.epsilon_dim},)"
        raise RequestError(ErrorCode.BAD_REQUEST, detail)
    finite = np.isfinite(given.z).all() and np.isfinite(given.epsilon).all()
    if not finite or not 0.0 <= given.sigma <= 1.0:
        detail = f"steering must be finite and sigma in [0, 1]; sigma is {given.sigma}"
        raise RequestError(ErrorCode.BAD_REQUEST, detail)
    if given.sigma > 0.0 and not shape.smoothed:
        detail = "the policy was trained without context smoothing; it takes sigma 0 only"
        raise RequestError(ErrorCode.BAD_REQUEST, detail)
    return Steering(SteeringSource.EXPLICIT, given.z, given.sigma, given.epsilon)


def _clamp(steering: Steering, limits: SteeringLimits) -> Steering:
    z_cap, epsilon_cap = float32_below(limits.z_cap), float32_below(limits.epsilon_cap)
    return Steering(
        steering.source,
        np.clip(steering.z, -z_cap, z_cap),
        float(min(np.float32(steering.sigma), float32_below(limits.sigma_cap))),
        np.clip(steering.epsilon, -epsilon_cap, epsilon_cap),
    )


def float32_below(value: float) -> np.float32:
    """The largest float32 that is not above `value`: 0.1 as float32 would be above 0.1."""
    rounded = np.float32(value)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded
