"""DSRL-NA without a copy of the frozen policy: from the candidates of each transition.

Why it bootstraps from the latent critic: docs/decisions/0032-candidates-of-the-server.md.
"""

import torch
from torch import Tensor

from tmrl_learner.algorithms.dsrl_na.action_critic import ActionCriticAgent
from tmrl_learner.algorithms.tmrl.agent import Batch
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import Sizes
from tmrl_learner.served_candidates import ServedCandidates


class CandidateDsrlNaAgent(ActionCriticAgent):
    """Distils on the latents whose actions the policy server has handed out.

    Args:
        config: Hyper-parameters; sigma and epsilon heads switched off.
        sizes: Lengths of features, z and executed actions.
        seed: Of the initial weights and of every draw.
        device: Torch device.
        served: How the candidates are read.
    """

    def __init__(
        self,
        config: TmrlConfig,
        sizes: Sizes,
        seed: int,
        device: str,
        served: ServedCandidates,
    ) -> None:
        super().__init__(config, sizes, seed, device, served)
        self._served = served

    @torch.no_grad()
    def latents(self, batch: Batch) -> dict[str, Tensor]:
        """One candidate of each row."""
        z = torch.unflatten(batch["candidate_z"], -1, (self._served.count, -1))
        actions = self._served.normalised(batch["candidate_actions"])
        rows = torch.arange(len(z), device=self.device)
        picked = torch.randint(
            self._served.count, (len(z),), generator=self.generator, device=self.device
        )
        return {"z": z[rows, picked], "actions_of_z": actions[rows, picked]}

    def actions_of(self, batch: Batch) -> Tensor:
        """Those that came with the candidates."""
        return batch["actions_of_z"]

    def values_after(self, features: Tensor) -> Tensor:
        """What the target latent critic says of the actor's latents."""
        z = self.actor_z(features)
        return self.target_critic(features, z, z.new_zeros(len(z), 1), z[:, :0]).amin(dim=0)
