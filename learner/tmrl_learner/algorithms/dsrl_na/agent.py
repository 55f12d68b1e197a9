"""DSRL with noise aliasing: a critic of actions teaches the critic of latents.

Equations are numbered as in the README beside this file.
"""

import torch
from torch import Tensor

from tmrl_learner.algorithms.dsrl_na.action_critic import ActionCriticAgent, in_the_place_of_z
from tmrl_learner.algorithms.dsrl_na.config import DsrlNaConfig
from tmrl_learner.algorithms.tmrl.agent import Batch
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import Sizes
from tmrl_learner.frozen_policy import LatentPolicy


class DsrlNaAgent(ActionCriticAgent):
    """Asks a copy of the frozen policy which actions a latent leads to.

    Args:
        config: Hyper-parameters; sigma and epsilon heads switched off.
        distillation: On which latents the latent critic is regressed.
        sizes: Lengths of features, z and executed actions.
        seed: Of the initial weights and of every draw.
        device: Torch device.
        base: The frozen policy, on that device.
    """

    def __init__(
        self,
        config: TmrlConfig,
        distillation: DsrlNaConfig,
        sizes: Sizes,
        seed: int,
        device: str,
        base: LatentPolicy,
    ) -> None:
        super().__init__(config, sizes, seed, device, base)
        self._uniform_share = distillation.uniform_share
        self._base = base

    @torch.no_grad()
    def latents(self, batch: Batch) -> dict[str, Tensor]:
        """The actor's, a share of them replaced by uniform ones."""
        z = self.actor_z(batch["features"])
        drawn = torch.rand(len(z), z.shape[1] + 1, generator=self.generator, device=self.device)
        uniform = self.bounds.z_bound * (2.0 * drawn[:, 1:] - 1.0)
        return {"z": torch.where(drawn[:, :1] < self._uniform_share, uniform, z)}

    def actions_of(self, batch: Batch) -> Tensor:
        """Those that the copy makes."""
        return self._base.actions(batch["features"], batch["z"])

    def values_after(self, features: Tensor) -> Tensor:
        """What the target action critic says of the copy's actions of the actor's latents."""
        actions = self._base.actions(features, self.actor_z(features))
        return self.target_action_critic(*in_the_place_of_z(features, actions)).amin(dim=0)
