"""The small flow policies behind the loop's interface."""

import numpy as np
import torch

from tmrl_cell.observation import CONTEXT_NAMES
from tmrl_cell.plate import OBJECT_COPIES
from tmrl_common.types import FloatArray, Steering
from tmrl_learner.pretrain.evaluate import Scene
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.inpainting import Committed, overlap_dim, overlap_features


class FlowBase:
    """A frozen `FlowPolicy`, one scene at a time.

    Args:
        policy: In evaluation mode, on the CPU.
        seed: Of the context noise where nobody steers it.
        overlap_steps: d, steps that a chunk and the next one have in common; 0 for none.

    Attributes:
        generator: Source of that noise.
    """

    def __init__(self, policy: FlowPolicy, seed: int, overlap_steps: int = 0) -> None:
        self._policy = policy
        self._overlap = overlap_steps
        self.generator = torch.Generator().manual_seed(seed)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Horizon H and action dimension A."""
        return self._policy.config.horizon, self._policy.config.action_dim

    @property
    def scene_dim(self) -> int:
        """Length of what `features` returns of the scene."""
        return self._policy.config.proprio_dim + self._policy.config.context_dim

    @property
    def features_dim(self) -> int:
        """Length of what `features` returns."""
        return self.scene_dim + overlap_dim(self._overlap, self.noise_shape[1])

    @property
    def epsilon_dim(self) -> int:
        """Length of a context noise."""
        return self._policy.config.context_dim

    def features(self, scene: Scene, committed: FloatArray | None = None) -> FloatArray:
        """What is seen of the scene, then what is executed anyway, as `overlap_features` has it."""
        tail = overlap_features(self._normalised(committed), self._overlap, self.noise_shape[1])
        return np.concatenate([self.scene_features(scene), tail.numpy()])

    @torch.no_grad()
    def scene_features(self, scene: Scene) -> FloatArray:
        """Robot state and context, normalised by the policy's statistics: (P + C,)."""
        proprio = self._policy.proprio_normaliser.normalise(torch.from_numpy(scene.proprio))
        context = self._policy.context_normaliser.normalise(torch.from_numpy(scene.context))
        return torch.cat([proprio, context]).numpy()

    def _normalised(self, committed: FloatArray | None) -> torch.Tensor | None:
        if committed is None:
            return None
        return self._policy.action_normaliser.normalise(torch.from_numpy(committed))

    def act(
        self, scene: Scene, latent: Steering, committed: FloatArray | None = None
    ) -> FloatArray:
        """A chunk of actions, (H, A), raw units.

        A z of A numbers is repeated over the horizon; one of H * A numbers differs per step. The
        committed actions, (d, A), are its first rows.
        """
        known = self._normalised(committed)
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
            None if known is None else Committed(known[None], torch.ones(1, dtype=torch.bool)),
        )
        return actions[0].numpy()


class PlateBase(FlowBase):
    """The policy of the plate's task, and what the learner sees of it.

    The context says several times where the objects are: the learner is shown it once.

    Args:
        policy: In evaluation mode, on the CPU.
        seed: Of the context noise where nobody steers it.
        overlap_steps: As of `FlowBase`.
        shows_plate: Whether the learner sees where the plate is, too.
    """

    def __init__(
        self, policy: FlowPolicy, seed: int, overlap_steps: int = 0, *, shows_plate: bool
    ) -> None:
        super().__init__(policy, seed, overlap_steps)
        robot, objects = policy.config.proprio_dim, len(CONTEXT_NAMES)
        plate = range(robot + OBJECT_COPIES * objects, super().scene_dim)
        self._shown = [*range(robot + objects), *(plate if shows_plate else ())]

    @property
    def scene_dim(self) -> int:
        """Length of what `features` returns of the scene."""
        return len(self._shown)

    def scene_features(self, scene: Scene) -> FloatArray:
        """Robot state, objects and maybe the plate, normalised by the policy's statistics."""
        return super().scene_features(scene)[self._shown]
