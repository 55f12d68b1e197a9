"""The small flow policy behind the loop's interface."""

import copy

import numpy as np
import torch
from torch import Tensor

from tmrl_common.types import FloatArray, Steering
from tmrl_learner.pretrain.evaluate import Scene
from tmrl_policies.flow_policy import FlowPolicy


class FlowBase:
    """A frozen `FlowPolicy`, one scene at a time.

    Args:
        policy: In evaluation mode, on the CPU.
        seed: Of the context noise where nobody steers it.

    Attributes:
        generator: Source of that noise.
    """

    def __init__(self, policy: FlowPolicy, seed: int) -> None:
        self._policy = policy
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Horizon H and action dimension A."""
        return self._policy.config.horizon, self._policy.config.action_dim

    @property
    def features_dim(self) -> int:
        """Length of what `features` returns."""
        return self._policy.config.proprio_dim + self._policy.config.context_dim

    @property
    def epsilon_dim(self) -> int:
        """Length of a context noise."""
        return self._policy.config.context_dim

    @torch.no_grad()
    def features(self, scene: Scene) -> FloatArray:
        """Robot state and context, normalised by the policy's statistics: (P + C,)."""
        proprio = self._policy.proprio_normaliser.normalise(torch.from_numpy(scene.proprio))
        context = self._policy.context_normaliser.normalise(torch.from_numpy(scene.context))
        return torch.cat([proprio, context]).numpy()

    def act(self, scene: Scene, latent: Steering) -> FloatArray:
        """A chunk of actions, (H, A), raw units.

        A z of A numbers is repeated over the horizon; one of H * A numbers differs per step.
        """
        rows = latent.z.reshape(-1, self.noise_shape[1])
        noise = torch.from_numpy(np.broadcast_to(rows, self.noise_shape).copy())
        if latent.epsilon.size:
            epsilon = torch.from_numpy(latent.epsilon)[None]
        else:
            epsilon = torch.randn((1, self.epsilon_dim), generator=self.generator)
        actions = self._policy.sample(
            torch.from_numpy(scene.proprio)[None],
            torch.from_numpy(scene.context)[None],
            torch.full((1,), latent.sigma),
            epsilon,
            noise[None],
        )
        return actions[0].numpy()


class FlowActions:
    """Which actions a latent leads to, at sigma = 0: a flow policy inside DSRL-NA's learner.

    Args:
        policy: In evaluation mode, without gradients; it is copied.
        execute_steps: h, steps of each chunk that are executed.
        device: Torch device of the learner.
    """

    def __init__(self, policy: FlowPolicy, execute_steps: int, device: str) -> None:
        self._policy = copy.deepcopy(policy).to(device)
        self._steps = execute_steps

    @property
    def width(self) -> int:
        """H * A."""
        return self._steps * self._policy.config.action_dim

    @torch.no_grad()
    def actions(self, features: Tensor, z: Tensor) -> Tensor:
        """See `tmrl_learner.algorithms.dsrl_na.latent_policy.LatentPolicy`."""
        policy, config = self._policy, self._policy.config
        proprio, context = features.split([config.proprio_dim, config.context_dim], dim=-1)
        rows = z.view(len(z), -1, config.action_dim)
        chunks = policy.sample(
            policy.proprio_normaliser.restore(proprio),
            policy.context_normaliser.restore(context),
            features.new_zeros(len(features)),
            torch.zeros_like(context),
            rows.expand(-1, config.horizon, -1),
        )
        return policy.action_normaliser.normalise(chunks[:, : self._steps]).flatten(1)

    def normalise(self, executed: Tensor) -> Tensor:
        """See `tmrl_learner.algorithms.dsrl_na.latent_policy.LatentPolicy`."""
        steps = executed.unflatten(-1, (self._steps, self._policy.config.action_dim))
        return self._policy.action_normaliser.normalise(steps).flatten(1)
