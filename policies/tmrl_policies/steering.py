"""The high-level actor that steers a frozen policy: three independent heads.

Per chunk it sees the policy's features and picks the initial flow noise z, the context time and,
if it has that head, the context noise (paper, workshop version, Eq. 8). The heads are
tanh-Gaussian; that of the context time is categorical where only some levels are allowed. Their
values lie in [-1, 1]; :func:`scale_steering` turns them into what is executed.
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.torch_seam import split


@dataclass(frozen=True)
class SteeringActorConfig:
    """Shape of a :class:`SteeringActor`.

    Attributes:
        features_dim: Length of what the actor sees.
        z_dim: Length of z, one row of the initial flow noise.
        epsilon_dim: Length of the context noise; 0 leaves that head out.
        sigma_head: Whether the actor picks the context time.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.
        log_std_min: Lower end of the range of log standard deviations.
        log_std_max: Upper end of that range.
        sigma_levels: How many context times the actor picks from, evenly spaced, the smallest and
            the largest among them; 0: any.
    """

    features_dim: int
    z_dim: int
    epsilon_dim: int = 0
    sigma_head: bool = True
    hidden: int = 128
    layers: int = 2
    log_std_min: float = -5.0
    log_std_max: float = 2.0
    sigma_levels: int = 0

    def __post_init__(self) -> None:
        """Refuses sizes that make no network.

        Raises:
            ValueError: The message names the field, its value and its limit.
        """
        for name in ("features_dim", "z_dim", "hidden", "layers"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if self.epsilon_dim < 0:
            raise ValueError(f"epsilon_dim is {self.epsilon_dim}; it must be at least 0")
        if self.sigma_levels and (self.sigma_levels < 2 or not self.sigma_head):
            raise ValueError(
                f"sigma_levels is {self.sigma_levels} and sigma_head {self.sigma_head}; levels are "
                "at least 2, or 0 where any context time will do or the actor picks none"
            )
        if not self.log_std_min < self.log_std_max:
            raise ValueError(
                f"log_std_min is {self.log_std_min}; it must lie below log_std_max "
                f"({self.log_std_max})"
            )

    @property
    def head_dims(self) -> tuple[int, int, int]:
        """Lengths of the z, tau and epsilon heads; 0 for a head that is left out."""
        return self.z_dim, int(self.sigma_head), self.epsilon_dim

    @property
    def gaussian_dims(self) -> tuple[int, int, int]:
        """The same for what is tanh-Gaussian: 0 for a tau that is one of some levels."""
        return self.z_dim, int(self.sigma_head and not self.sigma_levels), self.epsilon_dim


class SteeringSample(NamedTuple):
    """High-level actions in [-1, 1] with their log-probabilities, head by head.

    A head that is left out has width 0 and log-probability 0.

    Attributes:
        z: Shape (B, z_dim).
        tau: Context time before scaling, shape (B, 1) or (B, 0).
        epsilon: Shape (B, epsilon_dim).
        log_prob_z: Shape (B,), nats, tanh-corrected; likewise the next two.
        log_prob_tau: Shape (B,).
        log_prob_epsilon: Shape (B,).
        level_log_prob: Of every level that tau may have, shape (B, sigma_levels).
    """

    z: Tensor
    tau: Tensor
    epsilon: Tensor
    log_prob_z: Tensor
    log_prob_tau: Tensor
    log_prob_epsilon: Tensor
    level_log_prob: Tensor


class SteeringMode(NamedTuple):
    """High-level actions in [-1, 1]; shapes as in :class:`SteeringSample`."""

    z: Tensor
    tau: Tensor
    epsilon: Tensor


@dataclass(frozen=True)
class SteeringBounds:
    """Ranges into which the actor's values are scaled.

    Attributes:
        z_bound: Largest magnitude of a component of z, above 0.
        sigma_max: Largest context time, in [0, 1]; that of every chunk for an actor without a
            sigma head.
        epsilon_bound: Largest magnitude of a component of epsilon, above 0.
    """

    z_bound: float
    sigma_max: float
    epsilon_bound: float = 1.0

    def __post_init__(self) -> None:
        """Refuses empty ranges.

        Raises:
            ValueError: The message names the bound, its value and its limit.
        """
        for name in ("z_bound", "epsilon_bound"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be a finite number above 0")
        if not 0.0 <= self.sigma_max <= 1.0:
            raise ValueError(f"sigma_max is {self.sigma_max}; it must lie in [0, 1]")


class ScaledSteering(NamedTuple):
    """High-level actions as the base policy takes them.

    Attributes:
        z: One row of the initial flow noise, shape (B, z_dim).
        sigma: Context time in [0, sigma_max], shape (B,); sigma_max without a sigma head.
        epsilon: Context noise, shape (B, epsilon_dim).
    """

    z: Tensor
    sigma: Tensor
    epsilon: Tensor


def scale_steering(
    z: Tensor, tau: Tensor, epsilon: Tensor, bounds: SteeringBounds
) -> ScaledSteering:
    """Scales values in [-1, 1] to the executed ranges: ``sigma = sigma_max * (tau + 1) / 2``.

    Args:
        z: Shape (B, z_dim).
        tau: Shape (B, 1), or (B, 0) for an actor without sigma head.
        epsilon: Shape (B, epsilon_dim).
        bounds: The ranges.
    """
    if tau.shape[-1]:
        sigma = bounds.sigma_max * 0.5 * (tau.squeeze(-1) + 1.0)
    else:
        sigma = z.new_full((len(z),), bounds.sigma_max)
    return ScaledSteering(z * bounds.z_bound, sigma, epsilon * bounds.epsilon_bound)


class SteeringActor(nn.Module):
    """Mish MLP with one mean and one log standard deviation per steered number.

    Where the context time is one of some levels it has a log-probability per level instead.
    """

    def __init__(self, config: SteeringActorConfig) -> None:
        """Builds an actor with random weights."""
        super().__init__()
        self.config = config
        widths = [config.features_dim, *[config.hidden] * config.layers]
        layers: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(widths):
            layers += [nn.Linear(width_in, width_out), nn.Mish()]
        self._gaussian_width = 2 * sum(config.gaussian_dims)
        layers.append(nn.Linear(config.hidden, self._gaussian_width + config.sigma_levels))
        self.net = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Returns means and log standard deviations before the tanh, all heads side by side.

        Args:
            features: Shape (B, features_dim).

        Returns:
            Two tensors of shape (B, sum of `gaussian_dims`).
        """
        mean, log_std, _ = self.heads(features)
        return mean, log_std

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what `forward` does, and the log-probability of each level of tau.

        Args:
            features: Shape (B, features_dim).

        Returns:
            Means and log standard deviations, (B, sum of `gaussian_dims`), and log-probabilities,
            (B, sigma_levels).
        """
        raw = self.net(features)
        mean, raw_std = raw[:, : self._gaussian_width].chunk(2, dim=-1)
        low, high = self.config.log_std_min, self.config.log_std_max
        log_std = low + 0.5 * (high - low) * (torch.tanh(raw_std) + 1.0)
        return mean, log_std, torch.log_softmax(raw[:, self._gaussian_width :], dim=-1)

    def levels(self, like: Tensor) -> Tensor:
        """Returns tau of each level, ascending from -1 to 1: (sigma_levels,), on `like`'s device.

        Args:
            like: A tensor on the device and of the type that is wanted.
        """
        count = self.config.sigma_levels
        return torch.linspace(-1.0, 1.0, count, dtype=like.dtype, device=like.device)

    def sample(self, features: Tensor, generator: torch.Generator) -> SteeringSample:
        """Draws actions, reparametrised: gradients flow to the actor's parameters.

        A level is drawn without a gradient; that of its log-probability is exact.

        Args:
            features: Shape (B, features_dim).
            generator: Source of the randomness.
        """
        mean, log_std, level_log_prob = self.heads(features)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        pre_tanh = mean + log_std.exp() * noise
        log_prob = _tanh_gaussian_log_prob(pre_tanh, noise, log_std)
        dims = self.config.gaussian_dims
        z, tau, epsilon = split(torch.tanh(pre_tanh), dims, dim=-1)
        per_head = [part.sum(dim=-1) for part in split(log_prob, dims, dim=-1)]
        if self.config.sigma_levels:
            uniform = torch.rand(level_log_prob.shape, generator=generator, device=mean.device)
            # The largest of the log-probabilities with Gumbel noise is a draw from them.
            gumbel = -torch.log(-torch.log(uniform.clamp(1e-20, 1.0 - 1e-7)))
            drawn = (level_log_prob.detach() + gumbel).argmax(dim=-1, keepdim=True)
            tau = self.levels(mean)[drawn]
            per_head[1] = level_log_prob.gather(-1, drawn).squeeze(-1)
        return SteeringSample(z, tau, epsilon, *per_head, level_log_prob=level_log_prob)

    def mode(self, features: Tensor) -> SteeringMode:
        """Returns the likeliest values, without randomness; features of shape (B, features_dim)."""
        mean, _, level_log_prob = self.heads(features)
        z, tau, epsilon = split(torch.tanh(mean), self.config.gaussian_dims, dim=-1)
        if self.config.sigma_levels:
            tau = self.levels(mean)[level_log_prob.argmax(dim=-1, keepdim=True)]
        return SteeringMode(z, tau, epsilon)


def _tanh_gaussian_log_prob(pre_tanh: Tensor, noise: Tensor, log_std: Tensor) -> Tensor:
    """Log-density of ``tanh(pre_tanh)``, elementwise.

    ``log(1 - tanh(u)^2)`` is taken as ``2 (log 2 - u - softplus(-2 u))``: it does not underflow
    where the tanh saturates.
    """
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - pre_tanh - functional.softplus(-2.0 * pre_tanh))
    return gaussian - log_slope
