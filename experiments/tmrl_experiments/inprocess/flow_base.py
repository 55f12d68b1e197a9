"""The small flow policies behind the loop's interface."""

import numpy as np
import torch

from tmrl_cell.observation import CONTEXT_NAMES
from tmrl_cell.plate import OBJECT_COPIES
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


class PlateBase(FlowBase):
    """The policy of the plate's task, and what the learner sees of it.

    The context says several times where the objects are: the learner is shown it once.

    Args:
        policy: In evaluation mode, on the CPU.
        seed: Of the context noise where nobody steers it.
        shows_plate: Whether the learner sees where the plate is, too.
    """

    def __init__(self, policy: FlowPolicy, seed: int, *, shows_plate: bool) -> None:
        super().__init__(policy, seed)
        robot, objects = policy.config.proprio_dim, len(CONTEXT_NAMES)
        plate = range(robot + OBJECT_COPIES * objects, super().features_dim)
        self._shown = [*range(robot + objects), *(plate if shows_plate else ())]

    @property
    def features_dim(self) -> int:
        """Length of what `features` returns."""
        return len(self._shown)

    def features(self, scene: Scene) -> FloatArray:
        """Robot state, objects and maybe the plate, normalised by the policy's statistics."""
        return super().features(scene)[self._shown]
