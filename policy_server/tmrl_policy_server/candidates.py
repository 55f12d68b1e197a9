"""Draws candidates and has the base policy make their chunks.

Those of one context time share the context noise, and so all that a pi0 computes of images and
prompt: K candidates cost as many prefixes as there are context times among them.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tmrl_common.candidates import CandidateRequest, Candidates
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_policies.base_policy import BasePolicy
from tmrl_policy_server.steering import (
    BoundedActor,
    SteeringShape,
    float32_below,
    steering_ranges,
)

_CONTEXT_TIMES = 4
"""Most of them among the candidates of one observation, each with a prefix of its own."""
_STREAM = 0x5EED
"""Keeps the candidates' draws apart from those of the chunk with the same seed."""


class _Drawn(NamedTuple):
    """Latents by context time.

    Attributes:
        z: Shape (G, R, z_dim).
        sigma: Shape (G,).
    """

    z: Tensor
    sigma: Tensor


def make_candidates(
    policy: BasePolicy[Any],
    seen: Any,
    features: Tensor,
    actor: BoundedActor | None,
    shape: SteeringShape,
    wish: CandidateRequest,
) -> Candidates:
    """Candidates of one observation; a deterministic function of its arguments.

    Args:
        policy: The base policy.
        seen: The observation as it takes it.
        features: What the actor sees of it, shape (features_dim,).
        actor: The newest one; None before the first swap.
        shape: Sizes of the policy's inputs.
        wish: What is asked for.

    Raises:
        RequestError: Longer chunks are asked for than there are, or one is not finite.
    """
    if wish.steps > shape.horizon:
        raise RequestError(
            ErrorCode.BAD_REQUEST,
            f"candidates of {wish.steps} steps are asked for, and a chunk has {shape.horizon}; ask "
            "for as many as are executed (agent.execute_steps)",
        )
    generator = torch.Generator().manual_seed(wish.seed ^ _STREAM)
    drawn = _draw(wish, features, actor, shape, generator)
    epsilon = [policy.draw_epsilon(generator) for _ in drawn.sigma]
    noise = drawn.z[:, :, None].expand(-1, -1, shape.horizon, -1)
    actions = policy.fan_out(seen, drawn.sigma, epsilon, noise)[:, :, : wish.steps]
    each = actions.shape[1]
    made = Candidates(
        z=drawn.z.flatten(0, 1)[: wish.count].numpy(),
        sigma=drawn.sigma.repeat_interleave(each)[: wish.count].numpy(),
        actions=np.ascontiguousarray(actions.flatten(0, 1)[: wish.count].numpy()),
    )
    if not np.isfinite(made.actions).all():
        detail = f"a candidate of seed {wish.seed} is not finite; the observation may be far "
        raise RequestError(ErrorCode.NOT_FINITE, detail + "outside of the training data")
    return made


def _draw(
    wish: CandidateRequest,
    features: Tensor,
    actor: BoundedActor | None,
    shape: SteeringShape,
    generator: torch.Generator,
) -> _Drawn:
    """Draws within the limits and, once there is an actor, within its bounds.

    Context times are spread evenly, one in each part of their range, because there are few.
    """
    ranges = steering_ranges(wish.limits, actor, shape)
    times = min(_CONTEXT_TIMES, wish.count) if ranges.sigma_head and ranges.sigma > 0.0 else 1
    each = -(-wish.count // times)
    z = ranges.z * (2.0 * torch.rand(times * each, shape.z_dim, generator=generator) - 1.0)
    share = (torch.arange(times) + torch.rand(times, generator=generator)) / times
    if wish.by_actor and actor is not None:
        chosen = actor.network.sample(features.expand(len(z) // 2, -1), generator).z
        z[1::2] = actor.bounds.z_bound * chosen
    z_cap, sigma_cap = float(float32_below(wish.limits.z_cap)), float(float32_below(ranges.sigma))
    sigma = ranges.sigma * (share if times > 1 else torch.ones(1))
    return _Drawn(z.clamp(-z_cap, z_cap).reshape(times, each, -1), sigma.clamp(max=sigma_cap))
