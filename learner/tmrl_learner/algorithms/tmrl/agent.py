"""The latent-space actor-critic: one round is UTD critic updates, then one actor update.

Equations are numbered as in the README beside this file.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.critic_gradient import CriticGradient, flatten
from tmrl_learner.algorithms.tmrl.cuda_round import CudaRound
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble, critic_inputs
from tmrl_learner.config import Sizes
from tmrl_learner.devices import restore_generator
from tmrl_policies.steering import (
    SteeringActor,
    SteeringActorConfig,
    SteeringBounds,
    SteeringSample,
    scale_steering,
)
from tmrl_policies.torch_seam import backward, numbers, seeded, split, take_step

_LOG = logging.getLogger(__name__)

Batch = Mapping[str, Tensor]
"""Columns of the replay buffer: name to (rows, width)."""

HEADS = ("z", "tau", "epsilon")

ROWS_AT_ONCE = 256
"""Of the target pass on a CPU: enough for the matrix products, few enough for its cache."""


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
        with seeded(seed):
            self.actor = SteeringActor(
                SteeringActorConfig(
                    features_dim=sizes.features,
                    z_dim=sizes.z,
                    epsilon_dim=epsilon_dim,
                    sigma_head=config.sigma_head,
                    hidden=config.hidden,
                    layers=config.actor_layers,
                    sigma_levels=config.sigma_levels if config.sigma_head else 0,
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
        self.critic.requires_grad_(requires_grad=False)
        self.target_critic.requires_grad_(requires_grad=False)
        self._critic_vector = flatten(self.critic)
        self._target_vector = flatten(self.target_critic)
        self._critic_gradient = CriticGradient(self.critic)
        with torch.no_grad():
            self._target_vector.copy_(self._critic_vector)
        dims = torch.tensor(self.actor.config.head_dims, dtype=torch.float32, device=self.device)
        self._head_present = (dims > 0).float()
        per_dim = (config.entropy_per_dim, config.sigma_entropy, config.epsilon_entropy)
        self._target_entropy = torch.tensor(per_dim, device=self.device) * dims
        start = math.log(config.initial_temperature)
        self.log_temperature = nn.Parameter(torch.full((len(HEADS),), start, device=self.device))
        self._optimisers = {
            "critic": self._adam([self._critic_vector]),
            "actor": self._adam([*self.actor.parameters(), self.log_temperature]),
        }
        self._run: Callable[[Batch], dict[str, Tensor]] | None = None

    def _adam(self, parameters: list[nn.Parameter]) -> torch.optim.Adam:
        on_cuda = self.device.type == "cuda"
        return torch.optim.Adam(
            parameters, lr=self.config.learning_rate, fused=True, capturable=on_cuda
        )

    def update(self, batch: Batch) -> dict[str, float]:
        """One round: `utd` critic updates, the target's move, one actor update.

        Args:
            batch: (utd + 1) * batch_size rows; the last minibatch is the actor's.

        Returns:
            Metrics of the round by name.
        """
        moved = {name: column.to(self.device) for name, column in batch.items()}
        if self.device.type == "cuda" and self._run is None:
            self._run = self._capture(moved)
        metrics = (self._run or self._round)(moved)
        values = numbers(torch.stack(list(metrics.values())))
        return dict(zip(metrics, values, strict=True))

    def _capture(self, batch: Batch) -> Callable[[Batch], dict[str, Tensor]]:
        """The round as a CUDA graph, or as it is where that cannot be captured."""
        before = self.state()
        try:
            return CudaRound(self._round, batch, self.generator)
        except RuntimeError as error:
            _LOG.warning("update rounds run without a CUDA graph, more slowly: %s", error)
            return self._round
        finally:
            self.load_state(before)

    def _round(self, batch: Batch) -> dict[str, Tensor]:
        critic_rows = self.config.utd * self.config.batch_size
        targets = self.td_targets({name: column[:critic_rows] for name, column in batch.items()})
        chosen = (batch[name][:critic_rows] for name in ("features", "z", "sigma", "epsilon"))
        critic_loss = self._update_critics(critic_inputs(*chosen), targets)
        self._move_target()
        metrics = self.update_actor(batch["features"][critic_rows:])
        return metrics | {"critic_loss": critic_loss, "target_mean": targets.mean()}

    @torch.no_grad()
    def td_targets(self, batch: Batch) -> Tensor:
        """Targets of any number of rows (Eq. 2), shape (rows,).

        The actor and the target critics stay as they are during a round's critic updates, so
        computing the targets of all its minibatches ahead of them changes nothing but the time.
        """
        features = batch["next_features"]
        shape = torch.Size((len(features), sum(self.actor.config.gaussian_dims)))
        noise = torch.randn(shape, generator=self.generator, device=self.device)
        at_once = ROWS_AT_ONCE if self.device.type == "cpu" else len(features)
        parts = zip(split(features, at_once), split(noise, at_once), strict=True)
        next_value = torch.cat([self._next_value(*part) for part in parts])
        alive = 1.0 - batch["terminated"].squeeze(-1)
        return batch["reward"].squeeze(-1) + self.config.gamma * alive * next_value

    def _next_value(self, features: Tensor, noise: Tensor) -> Tensor:
        """Smallest target value at an action of the actor, shape (B,).

        Args:
            features: (B, S).
            noise: (B, width of all tanh-Gaussian heads), standard normal.
        """
        mean, log_std, level_log_prob = self.actor.heads(features)
        drawn = torch.tanh(mean + log_std.exp() * noise)
        z, tau, epsilon = split(drawn, self.actor.config.gaussian_dims, dim=-1)
        if self.actor.config.sigma_levels:
            values = self._level_values(self.target_critic, features, z, epsilon)
            return (level_log_prob.exp() * values.amin(dim=0)).sum(dim=-1)
        z, sigma, epsilon = scale_steering(z, tau, epsilon, self.bounds)
        return self.target_critic(features, z, sigma.unsqueeze(-1), epsilon).amin(dim=0)

    def _level_values(
        self, critic: CriticEnsemble, features: Tensor, z: Tensor, epsilon: Tensor
    ) -> Tensor:
        """Values at every level of sigma, (N, B, levels); z and epsilon in [-1, 1]."""
        levels = self.actor.levels(z)
        tau = levels.repeat(len(z)).unsqueeze(-1)
        rows = [part.repeat_interleave(len(levels), dim=0) for part in (features, z, epsilon)]
        z, sigma, epsilon = scale_steering(rows[1], tau, rows[2], self.bounds)
        values = critic(rows[0], z, sigma.unsqueeze(-1), epsilon)
        return values.unflatten(-1, (-1, len(levels)))

    def _update_critics(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One gradient step on Eq. 1 per minibatch; returns the loss of the last."""
        size, adam = self.config.batch_size, self._optimisers["critic"]
        loss = torch.zeros((), device=self.device)
        for rows, wanted in zip(split(inputs, size), split(targets, size), strict=True):
            loss = self._critic_gradient(rows, wanted)
            take_step(adam)
        return loss

    @torch.no_grad()
    def _move_target(self) -> None:
        """Polyak averaging (Eq. 3), once per round with the share of `utd` single moves."""
        share = 1.0 - (1.0 - self.config.polyak) ** self.config.utd
        self._target_vector.lerp_(self._critic_vector, share)

    def update_actor(self, features: Tensor) -> dict[str, Tensor]:
        """One gradient step on actor (Eq. 4) and temperatures (Eq. 5).

        An algorithm that learns its actor in another way from the same critics overrides this.

        Args:
            features: Shape (batch_size, S).

        Returns:
            Metrics by name, the same names in each round.
        """
        sample = self.actor.sample(features, self.generator)
        worth, members, log_prob_tau = self._actor_values(features, sample)
        log_probs = torch.stack([sample.log_prob_z, log_prob_tau, sample.log_prob_epsilon], dim=-1)
        temperature = self.log_temperature.exp()
        actor_loss = (log_probs @ temperature.detach() - worth).mean()
        entropy = -log_probs.detach().mean(dim=0)
        excess = (entropy - self._target_entropy) * self._head_present
        temperature_loss = (self.log_temperature * excess).sum()
        # The two losses share no parameter; one backward pass and one step serve both.
        self.descend(actor_loss + temperature_loss)
        z, sigma, _ = scale_steering(sample.z, sample.tau, sample.epsilon, self.bounds)
        return self._actor_metrics(actor_loss, members, sigma, z, entropy, temperature)

    def _actor_values(
        self, features: Tensor, sample: SteeringSample
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the actor's choice is worth, and how likely its tau was.

        With levels of sigma all are exact means over them: nothing depends on the level drawn.

        Returns:
            The smallest value, (B,), those of all members, (N, B), and the log-probability, (B,).
        """
        if not self.actor.config.sigma_levels:
            z, sigma, epsilon = scale_steering(sample.z, sample.tau, sample.epsilon, self.bounds)
            values = self.critic(features, z, sigma.unsqueeze(-1), epsilon)
            return values.amin(dim=0), values, sample.log_prob_tau
        log_prob, share = sample.level_log_prob, sample.level_log_prob.exp()
        values = self._level_values(self.critic, features, sample.z, sample.epsilon)
        smallest = (share * values.amin(dim=0)).sum(dim=-1)
        return smallest, (share * values).sum(dim=-1), (share * log_prob).sum(dim=-1)

    def descend(self, actor_loss: Tensor) -> None:
        """One step of the actor's optimiser along the gradient of a scalar."""
        self._optimisers["actor"].zero_grad()
        backward(actor_loss)
        take_step(self._optimisers["actor"])

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
        """Restores what `state` returned, in place: a captured round stays valid.

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
        restore_generator(self.generator, tensors["generator"])
        for label, parameter, moments in self._moments():
            for name in ("step", "exp_avg", "exp_avg_sq"):
                tensor = tensors[f"{label}.{name}"]
                if name in moments:
                    moments[name].copy_(tensor)
                else:
                    # Fused Adam keeps its step counter beside the parameter.
                    moments[name] = tensor.to(parameter.device, copy=True)
