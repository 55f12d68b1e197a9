"""The latent-space actor-critic: one round is UTD critic updates, then one actor update.

Equations are numbered as in the README beside this file.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble
from tmrl_learner.config import Sizes
from tmrl_policies.steering import (
    SteeringActor,
    SteeringActorConfig,
    SteeringBounds,
    SteeringSample,
    scale_steering,
)

Batch = Mapping[str, Tensor]
"""Columns of the replay buffer: name to (rows, width)."""

HEADS = ("z", "tau", "epsilon")


class TmrlAgent:
    """Actor, critics, temperatures and their optimisers.

    Args:
        config: Hyper-parameters.
        sizes: Lengths of features, z and epsilon.
        seed: Of the initial weights and of every sample the actor draws here.
        device: Torch device.
    """

    def __init__(self, config: TmrlConfig, sizes: Sizes, seed: int, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.bounds = SteeringBounds(config.z_bound, config.sigma_max, config.epsilon_bound)
        epsilon_dim = sizes.epsilon if config.epsilon_head else 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor = SteeringActor(
                SteeringActorConfig(
                    features_dim=sizes.features,
                    z_dim=sizes.z,
                    epsilon_dim=epsilon_dim,
                    sigma_head=config.sigma_head,
                    hidden=config.hidden,
                    layers=config.actor_layers,
                )
            ).to(self.device)
            self.critic, self.target_critic = (
                CriticEnsemble(
                    sizes.features,
                    sizes.z,
                    epsilon_dim,
                    config.hidden,
                    config.critic_layers,
                    config.critics,
                ).to(self.device)
                for _ in range(2)
            )
        self.target_critic.load_state_dict(self.critic.state_dict())
        self.target_critic.requires_grad_(requires_grad=False)
        dims = torch.tensor(self.actor.config.head_dims, dtype=torch.float32, device=self.device)
        self._head_present = (dims > 0).float()
        per_dim = (config.entropy_per_dim, config.sigma_entropy, config.entropy_per_dim)
        self._target_entropy = torch.tensor(per_dim, device=self.device) * dims
        start = math.log(config.initial_temperature)
        self.log_temperature = nn.Parameter(torch.full((len(HEADS),), start, device=self.device))
        self._optimisers = {
            "critic": self._adam(self.critic.parameters()),
            "actor": self._adam(self.actor.parameters()),
            "temperature": self._adam([self.log_temperature]),
        }

    def _adam(self, parameters: Any) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, fused=True)

    def update(self, batch: Batch) -> dict[str, float]:
        """One round: `utd` critic updates, the target's move, one actor update.

        Args:
            batch: (utd + 1) * batch_size rows; the last minibatch is the actor's.

        Returns:
            Metrics of the round by name.
        """
        size, utd = self.config.batch_size, self.config.utd
        moved = {name: column.to(self.device) for name, column in batch.items()}
        critic_rows = {name: column[: utd * size] for name, column in moved.items()}
        targets = self.td_targets(critic_rows)
        critic_loss = torch.zeros((), device=self.device)
        for k in range(utd):
            rows = slice(k * size, (k + 1) * size)
            minibatch = {name: column[rows] for name, column in critic_rows.items()}
            critic_loss = self._update_critics(minibatch, targets[rows])
        self._move_target()
        metrics = self._update_actor(moved["features"][utd * size :])
        metrics |= {"critic_loss": critic_loss, "target_mean": targets.mean()}
        values = torch.stack(list(metrics.values())).tolist()
        return dict(zip(metrics, values, strict=True))

    @torch.no_grad()
    def td_targets(self, batch: Batch) -> Tensor:
        """Targets of any number of rows (Eq. 2), shape (rows,).

        The actor and the target critics stay as they are during a round's critic updates, so
        computing the targets of all its minibatches in one pass changes nothing but the time.
        """
        sample = self.actor.sample(batch["next_features"], self.generator)
        next_value = self._value(self.target_critic, batch["next_features"], sample)
        alive = 1.0 - batch["terminated"].squeeze(-1)
        return batch["reward"].squeeze(-1) + self.config.gamma * alive * next_value

    def _value(self, critic: CriticEnsemble, features: Tensor, sample: SteeringSample) -> Tensor:
        """Ensemble minimum at the actor's sample, shape (B,)."""
        z, sigma, epsilon = scale_steering(sample.z, sample.tau, sample.epsilon, self.bounds)
        return critic(features, z, sigma.unsqueeze(-1), epsilon).amin(dim=0)

    def _update_critics(self, batch: Batch, targets: Tensor) -> Tensor:
        """One gradient step on Eq. 1; members are independent, so their losses are summed."""
        values = self.critic(batch["features"], batch["z"], batch["sigma"], batch["epsilon"])
        loss = (values - targets).square().mean(dim=1).sum()
        self._optimisers["critic"].zero_grad()
        loss.backward()
        self._optimisers["critic"].step()
        return loss.detach() / self.config.critics

    @torch.no_grad()
    def _move_target(self) -> None:
        """Polyak averaging (Eq. 3), once per round with the share of `utd` single moves."""
        share = 1.0 - (1.0 - self.config.polyak) ** self.config.utd
        pairs = zip(self.target_critic.parameters(), self.critic.parameters(), strict=True)
        for target, source in pairs:
            target.lerp_(source, share)

    def _update_actor(self, features: Tensor) -> dict[str, Tensor]:
        """One gradient step on actor (Eq. 4) and temperatures (Eq. 5)."""
        sample = self.actor.sample(features, self.generator)
        z, sigma, epsilon = scale_steering(sample.z, sample.tau, sample.epsilon, self.bounds)
        self.critic.requires_grad_(requires_grad=False)
        values = self.critic(features, z, sigma.unsqueeze(-1), epsilon)
        self.critic.requires_grad_(requires_grad=True)
        log_probs = torch.stack(
            [sample.log_prob_z, sample.log_prob_tau, sample.log_prob_epsilon], dim=-1
        )
        temperature = self.log_temperature.exp()
        actor_loss = (log_probs @ temperature.detach() - values.amin(dim=0)).mean()
        entropy = -log_probs.detach().mean(dim=0)
        excess = (entropy - self._target_entropy) * self._head_present
        temperature_loss = (self.log_temperature * excess).sum()
        self._optimisers["actor"].zero_grad()
        self._optimisers["temperature"].zero_grad()
        # The two losses share no parameter; one backward pass serves both.
        (actor_loss + temperature_loss).backward()
        self._optimisers["actor"].step()
        self._optimisers["temperature"].step()
        return self._actor_metrics(actor_loss, values, sigma, z, entropy, temperature)

    def _actor_metrics(
        self,
        actor_loss: Tensor,
        values: Tensor,
        sigma: Tensor,
        z: Tensor,
        entropy: Tensor,
        temperature: Tensor,
    ) -> dict[str, Tensor]:
        metrics = {
            "actor_loss": actor_loss.detach(),
            "q_mean": values.detach().mean(),
            "q_spread": values.detach().std(dim=0, correction=0).mean(),
            "sigma_mean": sigma.detach().mean(),
            "z_abs_mean": z.detach().abs().mean(),
        }
        for i, head in enumerate(HEADS):
            if self.actor.config.head_dims[i]:
                metrics[f"alpha_{head}"] = temperature[i].detach()
                metrics[f"entropy_{head}"] = entropy[i]
        return metrics

    def state(self) -> dict[str, Tensor]:
        """Every tensor that decides the next update: weights, moments, temperatures, generator."""
        modules = {
            "actor": self.actor,
            "critic": self.critic,
            "target_critic": self.target_critic,
        }
        tensors = {
            f"{module}.{name}": tensor
            for module, network in modules.items()
            for name, tensor in network.state_dict().items()
        }
        tensors["log_temperature"] = self.log_temperature
        tensors["generator"] = self.generator.get_state()
        for label, parameter, moments in self._moments():
            for name in ("step", "exp_avg", "exp_avg_sq"):
                default = torch.zeros(()) if name == "step" else torch.zeros_like(parameter)
                tensors[f"{label}.{name}"] = moments.get(name, default)
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def _moments(self) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Adam's state by label; empty before the first step."""
        for label, optimiser in self._optimisers.items():
            for i, parameter in enumerate(optimiser.param_groups[0]["params"]):
                yield f"adam.{label}.{i}", parameter, optimiser.state[parameter]

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned.

        Raises:
            KeyError: A tensor is missing.
            RuntimeError: A tensor has another shape.
        """
        for module in ("actor", "critic", "target_critic"):
            network: nn.Module = getattr(self, module)
            prefix = f"{module}."
            network.load_state_dict(
                {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            )
        with torch.no_grad():
            self.log_temperature.copy_(tensors["log_temperature"])
        self.generator.set_state(tensors["generator"].cpu())
        for label, parameter, moments in self._moments():
            for name in ("step", "exp_avg", "exp_avg_sq"):
                # Fused Adam keeps its step counter beside the parameter.
                moments[name] = tensors[f"{label}.{name}"].to(parameter.device, copy=True)
