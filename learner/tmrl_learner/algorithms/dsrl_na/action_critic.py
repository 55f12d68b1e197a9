"""What DSRL-NA does wherever the actions of a latent come from.

Equations are numbered as in the README beside this file.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from tmrl_learner.algorithms.tmrl.agent import Batch, TmrlAgent
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.critic_gradient import CriticGradient, flatten
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble, critic_inputs
from tmrl_learner.config import Sizes
from tmrl_learner.frozen_policy import ActionScale
from tmrl_policies.steering import scale_steering
from tmrl_policies.torch_seam import seeded, split, take_step


class ActionCriticAgent(TmrlAgent):
    """The shared agent with other targets for its critic, which is the latent critic Q_W here.

    Actor, temperatures and the update of both critics are those of TMRL. Stored latents are never
    read, so that rows of teleoperation and of scripts, which have none, teach as well as others.

    Args:
        config: Hyper-parameters; sigma and epsilon heads switched off. The action critic has the
            shape of the latent one.
        sizes: Lengths of features, z and executed actions.
        seed: Of the initial weights and of every draw.
        device: Torch device.
        scale: What the executed actions are measured in.
    """

    def __init__(
        self, config: TmrlConfig, sizes: Sizes, seed: int, device: str, scale: ActionScale
    ) -> None:
        super().__init__(config, sizes, seed, device)
        self._scale = scale
        with seeded(seed):
            self.action_critic, self.target_action_critic = (
                CriticEnsemble(
                    sizes.features,
                    sizes.actions,
                    0,
                    config.hidden,
                    config.critic_layers,
                    config.critics,
                ).to(self.device)
                for _ in range(2)
            )
        for critic in (self.action_critic, self.target_action_critic):
            critic.requires_grad_(requires_grad=False)
        self._action_vector = flatten(self.action_critic)
        self._target_action_vector = flatten(self.target_action_critic)
        self._action_gradient = CriticGradient(self.action_critic)
        with torch.no_grad():
            self._target_action_vector.copy_(self._action_vector)
        self._optimisers["action_critic"] = self._adam([self._action_vector])

    @abstractmethod
    def latents(self, batch: Batch) -> dict[str, Tensor]:
        """Latents to distil on, as the column "z", and whatever says where they lead to."""

    @abstractmethod
    def actions_of(self, batch: Batch) -> Tensor:
        """The actions that the latents of a batch lead to, (rows, h * A), in units of `scale`."""

    @abstractmethod
    def values_after(self, features: Tensor) -> Tensor:
        """Value of continuing as the actor does, (rows,), for features of the next observation."""

    def _capture(self, batch: Batch) -> Callable[[Batch], dict[str, Tensor]]:
        """The round as it is: a frozen policy that is sampled makes a graph wait."""
        del batch
        return self._round

    def _round(self, batch: Batch) -> dict[str, Tensor]:
        """`utd` updates of the action critic, as many of the latent one, then the actor.

        Args:
            batch: (utd + 1) * batch_size rows with a column "actions"; the last minibatch is the
                actor's.

        Returns:
            Metrics by name; "critic_loss" is that of the latent critic.
        """
        rows = self.config.utd * self.config.batch_size
        metrics = self._update_action_critic({n: column[:rows] for n, column in batch.items()})
        latent = {**batch, **self.latents(batch), "sigma": torch.zeros_like(batch["sigma"])}
        return super()._round(latent) | metrics

    @torch.no_grad()
    def td_targets(self, batch: Batch) -> Tensor:
        """What the latent critic is regressed on (Eq. 2): values of the actions of z, (rows,)."""
        judged = in_the_place_of_z(batch["features"], self.actions_of(batch))
        return self.action_critic(*judged).amin(dim=0)

    @torch.no_grad()
    def action_targets(self, batch: Batch) -> Tensor:
        """TD targets of the action critic (Eq. 1), shape (rows,)."""
        alive = 1.0 - batch["terminated"].squeeze(-1)
        after = self.values_after(batch["next_features"])
        return batch["reward"].squeeze(-1) + self.config.gamma * alive * after

    def actor_z(self, features: Tensor) -> Tensor:
        """Latents as the actor draws them, (rows, Z)."""
        sample = self.actor.sample(features, self.generator)
        return scale_steering(sample.z, sample.tau, sample.epsilon, self.bounds).z

    def _update_action_critic(self, batch: Batch) -> dict[str, Tensor]:
        targets = self.action_targets(batch)
        executed = self._scale.normalise(batch["actions"])
        inputs = critic_inputs(*in_the_place_of_z(batch["features"], executed))
        size, adam = self.config.batch_size, self._optimisers["action_critic"]
        loss = torch.zeros((), device=self.device)
        for rows, wanted in zip(split(inputs, size), split(targets, size), strict=True):
            loss = self._action_gradient(rows, wanted)
            take_step(adam)
        share = 1.0 - (1.0 - self.config.polyak) ** self.config.utd
        with torch.no_grad():
            self._target_action_vector.lerp_(self._action_vector, share)
        return {"action_critic_loss": loss, "action_target_mean": targets.mean()}

    def _action_critics(self) -> dict[str, nn.Module]:
        return {
            "action_critic": self.action_critic,
            "target_action_critic": self.target_action_critic,
        }

    def state(self) -> dict[str, Tensor]:
        """Every tensor that decides the next update."""
        tensors = super().state()
        for module, network in self._action_critics().items():
            for name, tensor in network.state_dict().items():
                tensors[f"{module}.{name}"] = tensor.detach().clone()
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned.

        Raises:
            KeyError: A tensor is missing.
            RuntimeError: A tensor has another shape.
        """
        super().load_state(tensors)
        for module, network in self._action_critics().items():
            prefix = f"{module}."
            network.load_state_dict(
                {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            )


def in_the_place_of_z(features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What an ensemble takes for (s, z, sigma, epsilon) when it judges actions instead."""
    return features, actions, features.new_zeros(len(features), 1), actions[:, :0]
