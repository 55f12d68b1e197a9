"""What stacking buys: a round of TMRL's learner against the usual way of writing it.

The usual way is :class:`UsualLoop` below: separate critics in a Python loop, targets inside every
critic step, an optimiser and a soft update that visit one tensor after the other. Both start from
the same weights and see the same minibatches and the same random draws; they run in turns, so that
a busy machine slows both alike, and the benchmark fails when their losses differ.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_learner.algorithms.tmrl.agent import Batch, TmrlAgent
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.algorithms.tmrl.networks import CriticEnsemble, embed_sigma
from tmrl_learner.config import Sizes
from tmrl_policies.steering import SteeringActor

_LOSSES = ("critic_loss", "actor_loss")
_MAX_LOSS_DIFFERENCE = 1e-4
_CHECKED_ROUNDS = 4
"""Later ones are not compared: Adam divides by gradients, so rounding errors grow."""

_COMMON = TmrlConfig(epsilon_head=True, actor_layers=3, critic_layers=3, critics=5, utd=20)
_DISPATCH_BOUND = (
    TmrlConfig(**{**vars(_COMMON), "hidden": 32, "batch_size": 16}),
    Sizes(features=16, z=4, epsilon=16),
)
"""Arithmetic is negligible: what counts is the number of operations that are called."""
_PAPER_SIZE = (
    TmrlConfig(**{**vars(_COMMON), "hidden": 512, "batch_size": 256}),
    Sizes(features=775, z=32, epsilon=2048),
)
"""One camera, seven joints, pi0: the sizes of the method on a robot."""


class UsualCritic(nn.Module):
    """One member of the ensemble, taken out of the agent's."""

    def __init__(self, ensemble: CriticEnsemble, member: int) -> None:
        super().__init__()
        hidden = ensemble.gains[0].shape[-1]
        columns = slice(member * hidden, (member + 1) * hidden)
        weights = [ensemble.first_weight[:, columns], *(w[member] for w in ensemble.weights)]
        biases = [ensemble.first_bias[columns], *(b[member, 0] for b in ensemble.biases)]
        layers: list[nn.Module] = []
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            layers.append(nn.Linear(*weight.shape))
            layers[-1].load_state_dict({"weight": weight.T, "bias": bias})
            if depth < len(weights) - 1:
                layers += [nn.LayerNorm(hidden), nn.Mish()]
        self.net = nn.Sequential(*layers)

    def forward(self, features: Tensor, z: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Values, shape (B,)."""
        return self.net(torch.cat([features, z, embed_sigma(sigma), epsilon], -1)).squeeze(-1)


class UsualLoop:
    """The same arithmetic as :class:`TmrlAgent`, written the usual way.

    Args:
        agent: Whose weights, temperatures and random numbers it starts with.
    """

    def __init__(self, agent: TmrlAgent) -> None:
        self.config, self.bounds, device = agent.config, agent.bounds, agent.device
        self.generator = torch.Generator(device)
        self.generator.set_state(agent.generator.get_state())
        self.actor = SteeringActor(agent.actor.config).to(device)
        self.actor.load_state_dict(agent.actor.state_dict())
        members = range(self.config.critics)
        self.critics = nn.ModuleList(UsualCritic(agent.critic, i) for i in members).to(device)
        self.targets = nn.ModuleList(UsualCritic(agent.target_critic, i) for i in members)
        self.targets.to(device).requires_grad_(requires_grad=False)
        self.log_temperature = nn.Parameter(agent.log_temperature.detach().clone())
        z, tau, epsilon = agent.actor.config.head_dims
        self.target_entropy = [
            z * self.config.entropy_per_dim,
            tau * self.config.sigma_entropy,
            epsilon * self.config.epsilon_entropy,
        ]
        self.critic_adam = self._adam(self.critics.parameters())
        self.actor_adam = self._adam(self.actor.parameters())
        self.temperature_adam = self._adam([self.log_temperature])

    def _adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
        rate = self.config.learning_rate
        return torch.optim.Adam(parameters, lr=rate, foreach=False, fused=False)

    def update(self, batch: Batch) -> dict[str, float]:
        """One round on (utd + 1) * batch_size rows; returns the losses that are compared."""
        size, utd = self.config.batch_size, self.config.utd
        # Drawn for the whole round, as the agent does, so that both see the same numbers.
        width = sum(self.actor.config.head_dims)
        rows = torch.Size((utd * size, width))
        noise = torch.randn(rows, generator=self.generator, device=self.generator.device)
        critic_loss = torch.zeros(())
        for k in range(utd):
            step = slice(k * size, (k + 1) * size)
            critic_loss = self._update_critics({n: c[step] for n, c in batch.items()}, noise[step])
        self._move_targets()
        actor_loss = self._update_actor(batch["features"][utd * size :])
        return {"critic_loss": critic_loss.item(), "actor_loss": actor_loss.item()}

    def _sample(self, features: Tensor, noise: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Scaled z, sigma, epsilon, each (B, width), and the log-probability of each, (B,)."""
        mean, log_std = self.actor(features)
        pre_tanh = mean + log_std.exp() * noise
        log_prob = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        log_prob -= 2 * (math.log(2) - pre_tanh - functional.softplus(-2 * pre_tanh))
        dims = self.actor.config.head_dims
        z, tau, epsilon = torch.tanh(pre_tanh).split(dims, -1)
        sigma = self.bounds.sigma_max * (tau + 1) / 2
        scaled = [z * self.bounds.z_bound, sigma, epsilon * self.bounds.epsilon_bound]
        return scaled, [part.sum(-1) for part in log_prob.split(dims, -1)]

    def _update_critics(self, batch: Batch, noise: Tensor) -> Tensor:
        with torch.no_grad():
            steering, _ = self._sample(batch["next_features"], noise)
            values = [target(batch["next_features"], *steering) for target in self.targets]
            bootstrap = (1 - batch["terminated"].squeeze(-1)) * torch.stack(values).amin(0)
            target = batch["reward"].squeeze(-1) + self.config.gamma * bootstrap
        seen = [batch[name] for name in ("features", "z", "sigma", "epsilon")]
        loss = torch.stack([functional.mse_loss(q(*seen), target) for q in self.critics]).sum()
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        return loss.detach() / self.config.critics

    @torch.no_grad()
    def _move_targets(self) -> None:
        share = 1 - (1 - self.config.polyak) ** self.config.utd
        pairs = zip(self.targets.parameters(), self.critics.parameters(), strict=True)
        for target, source in pairs:
            target.copy_((1 - share) * target + share * source)

    def _update_actor(self, features: Tensor) -> Tensor:
        shape = torch.Size((features.shape[0], sum(self.actor.config.head_dims)))
        noise = torch.randn(shape, generator=self.generator, device=features.device)
        steering, log_probs = self._sample(features, noise)
        value = torch.stack([q(features, *steering) for q in self.critics]).amin(0)
        alphas = self.log_temperature.detach().exp()
        entropy_cost = sum(a * p for a, p in zip(alphas, log_probs, strict=True))
        loss = (entropy_cost - value).mean()
        self.actor_adam.zero_grad()
        loss.backward()
        self.actor_adam.step()
        excess = [
            -log_prob.detach().mean() - wanted
            for log_prob, wanted in zip(log_probs, self.target_entropy, strict=True)
        ]
        self.temperature_adam.zero_grad()
        (self.log_temperature * torch.stack(excess)).sum().backward()
        self.temperature_adam.step()
        return loss.detach()


def _random_batch(config: TmrlConfig, sizes: Sizes, device: str, seed: int) -> Batch:
    """Rows of one round, as the replay buffer would draw them."""
    rows = (config.utd + 1) * config.batch_size
    random = torch.Generator().manual_seed(seed)

    def normal(width: int) -> Tensor:
        return torch.randn(rows, width, generator=random).to(device)

    return {
        "features": normal(sizes.features),
        "z": normal(sizes.z),
        "sigma": torch.rand(rows, 1, generator=random).to(device),
        "epsilon": normal(sizes.epsilon),
        "reward": -torch.ones(rows, 1, device=device),
        "next_features": normal(sizes.features),
        "terminated": (torch.rand(rows, 1, generator=random) > 0.9).float().to(device),
    }


def _check_losses(
    ours: dict[str, float], theirs: dict[str, float], config: TmrlConfig, turn: int
) -> float:
    """Largest relative difference of the losses of one round.

    Raises:
        RuntimeError: They differ by more than rounding.
    """
    differences = {name: abs(ours[name] / theirs[name] - 1) for name in _LOSSES}
    for name, difference in differences.items():
        if not difference <= _MAX_LOSS_DIFFERENCE:
            raise RuntimeError(
                f"{name} of round {turn} at hidden {config.hidden} is {ours[name]:.8g}, the usual "
                f"loop's {theirs[name]:.8g}; they may differ by {_MAX_LOSS_DIFFERENCE:g} relative, "
                "so the two no longer compute the same"
            )
    return max(differences.values())


def _timed(
    update: Callable[[Batch], dict[str, float]], batch: Batch, clock_s: Callable[[], float]
) -> tuple[dict[str, float], float]:
    """Losses and seconds of one round; it ends with the host reading them, so a GPU is done."""
    start_s = clock_s()
    losses = update(batch)
    return losses, clock_s() - start_s


def _measure(setting: tuple[TmrlConfig, Sizes], device: str, rounds: int) -> dict[str, float]:
    """Medians over the rounds after the first, their ratio, and the largest loss difference.

    On a CPU this process's own time is taken: with one thread it is the time on an idle machine,
    and other processes do not add to it.
    """
    config, sizes = setting
    agent = TmrlAgent(config, sizes, seed=0, device=device)
    usual = UsualLoop(agent)
    clock_s = time.process_time if device == "cpu" else time.perf_counter
    taken_s: list[tuple[float, float]] = []
    difference = 0.0
    for turn in range(rounds + 1):
        batch = _random_batch(config, sizes, device, seed=turn)
        ours, ours_s = _timed(agent.update, batch, clock_s)
        theirs, theirs_s = _timed(usual.update, batch, clock_s)
        if turn < _CHECKED_ROUNDS:
            difference = max(difference, _check_losses(ours, theirs, config, turn))
        taken_s.append((ours_s, theirs_s))
    ours_ms, usual_ms = (1e3 * statistics.median(s) for s in zip(*taken_s[1:], strict=True))
    return {
        "ratio": usual_ms / ours_ms,
        "ms_per_update": ours_ms,
        "usual_ms_per_update": usual_ms,
        "difference": difference,
    }


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < 1:
        raise argparse.ArgumentTypeError(f"{rounds} rounds measure nothing; give at least 1")
    return rounds


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; a ratio is the usual loop's median time per round over ours.

    Raises:
        RuntimeError: The two do not compute the same losses.
    """
    parser = argparse.ArgumentParser(prog="./tmrl bench learner")
    parser.add_argument(
        "--rounds", type=_rounds, default=3, help="timed, at paper size (default: 3)"
    )
    parser.add_argument(
        "--small-rounds", type=_rounds, default=40, help="timed, at dispatch-bound size and on CUDA"
    )
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = [
        ("dispatch_bound", _DISPATCH_BOUND, "cpu", options.small_rounds),
        ("paper_size", _PAPER_SIZE, "cpu", options.rounds),
    ]
    if torch.cuda.is_available():
        settings.append(("cuda", _PAPER_SIZE, "cuda", options.small_rounds))
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {"rounds": options.rounds, "small_rounds": options.small_rounds}
    differences: list[float] = []
    for name, setting, device, rounds in settings:
        measured = _measure(setting, device, rounds)
        ratios[f"learner_{name}"] = measured.pop("ratio")
        differences.append(measured.pop("difference"))
        figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    figures["max_relative_loss_difference"] = max(differences)
    return {"ratios": ratios, "figures": figures}
