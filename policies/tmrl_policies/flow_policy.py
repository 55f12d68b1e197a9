"""A small flow-matching policy over action chunks whose context can be smoothed away.

The network predicts the velocity ``noise - action`` of the straight path
``x_t = (1 - t) * action + t * noise`` (flow time t: 1 is noise, 0 is an action), given
proprioception, a corrupted context and how far that context was corrupted (paper, workshop
version, Algorithm 1). With ``context_smoothing=False`` it is plain behaviour cloning.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.corruption import DEFAULT_SCHEDULE, NoiseSchedule, noise_schedule

_TIME_EMBEDDING_DIM = 64
_TRUST_SHARPNESS = (1.0, 10.0, 100.0)


@dataclass(frozen=True)
class FlowPolicyConfig:
    """Shape and training distribution of a :class:`FlowPolicy`.

    Attributes:
        proprio_dim: Length P of the robot state, never corrupted; 0 where everything is context.
        context_dim: Length C of the context.
        action_dim: Length A of one action.
        horizon: Number H of actions in a chunk.
        hidden: Width of the residual blocks.
        blocks: Number of residual blocks.
        flow_steps: Euler steps from noise to actions.
        context_smoothing: False trains and serves sigma = 0 only (behaviour cloning).
        schedule: Name of the noise schedule of the context.
        clean_fraction: Share of training samples with an uncorrupted context, on top of sigma
            uniform in [0, 1]. Without it the network reads the object's place from the arm's own
            pose, which is right at every noise level, and stops looking at the context.
    """

    proprio_dim: int = 5
    context_dim: int = 4
    action_dim: int = 4
    horizon: int = 16
    hidden: int = 128
    blocks: int = 3
    flow_steps: int = 5
    context_smoothing: bool = True
    schedule: str = DEFAULT_SCHEDULE
    clean_fraction: float = 0.25

    def __post_init__(self) -> None:
        """Refuses sizes that are too small, unknown schedules and shares outside [0, 1].

        Raises:
            ValueError: The message names the field, its value and its limit.
        """
        if self.proprio_dim < 0:
            raise ValueError(f"proprio_dim is {self.proprio_dim}; it has to be at least 0")
        for name in (
            "context_dim",
            "action_dim",
            "horizon",
            "hidden",
            "blocks",
            "flow_steps",
        ):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} is {value}; it has to be at least 1")
        if not 0.0 <= self.clean_fraction <= 1.0:
            raise ValueError(f"clean_fraction is {self.clean_fraction}; it has to lie in [0, 1]")
        noise_schedule(self.schedule)


class PolicyBatch(NamedTuple):
    """Training samples in raw units.

    Attributes:
        proprio: Shape (B, P), float32.
        context: Shape (B, C), float32.
        actions: Shape (B, H, A), float32.
    """

    proprio: Tensor
    context: Tensor
    actions: Tensor


class Normaliser(nn.Module):
    """Shifts and scales the last dimension to zero mean and unit variance."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        """Starts as the identity on ``dim`` numbers."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Takes the statistics of ``values``, shape (N, dim).

        A column that never varies gets scale 1, so that it maps to zero instead of exploding when
        it does vary downstream.
        """
        if self.mean.numel() == 0:
            return
        std = values.std(dim=0)
        self.mean.copy_(values.mean(dim=0))
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def normalise(self, values: Tensor) -> Tensor:
        """Returns normalised values of the same shape (..., dim)."""
        return (values - self.mean) / self.std

    def restore(self, values: Tensor) -> Tensor:
        """Returns raw values for normalised ones of shape (..., dim)."""
        return values * self.std + self.mean


class _ModulatedBlock(nn.Module):
    """Residual MLP block whose norm and gate follow a modulation vector (AdaLN-zero)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.expand = nn.Linear(hidden, hidden)
        self.contract = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Maps x (B, hidden) with modulation (B, 3 * hidden) to (B, hidden)."""
        shift, scale, gate = modulation.chunk(3, dim=-1)
        y = torch.addcmul(shift, self.norm(x), 1.0 + scale)
        return torch.addcmul(x, gate, self.contract(functional.silu(self.expand(y))))


class FlowPolicy(nn.Module):
    """Maps proprioception and a corrupted context to chunks of actions."""

    _flow_embedding: Tensor
    _context_embedding: Tensor
    _trust: Tensor

    def __init__(self, config: FlowPolicyConfig) -> None:
        """Builds an untrained policy: its velocity is zero everywhere."""
        super().__init__()
        self.config = config
        self.proprio_normaliser = Normaliser(config.proprio_dim)
        self.context_normaliser = Normaliser(config.context_dim)
        self.action_normaliser = Normaliser(config.action_dim)
        hidden = config.hidden
        chunk_dim = config.horizon * config.action_dim
        observed = config.proprio_dim + (1 + len(_TRUST_SHARPNESS)) * config.context_dim
        self.observe = nn.Sequential(
            nn.Linear(observed + _TIME_EMBEDDING_DIM, hidden), nn.SiLU(), nn.Linear(hidden, hidden)
        )
        self.flow_time = nn.Linear(_TIME_EMBEDDING_DIM, hidden)
        self.modulate = nn.Linear(hidden, (config.blocks * 3 + 2) * hidden)
        self.chunk_in = nn.Linear(chunk_dim + hidden, hidden)
        self.blocks = nn.ModuleList(_ModulatedBlock(hidden) for _ in range(config.blocks))
        self.final_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.chunk_out = nn.Linear(hidden, chunk_dim)
        for layer in (self.modulate, self.chunk_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self._register_tables(noise_schedule(config.schedule))

    def _register_tables(self, schedule: NoiseSchedule) -> None:
        """Precomputes what depends on the discrete times only; none of it is learned."""
        self.schedule = schedule
        grid = torch.linspace(1.0, 0.0, self.config.flow_steps + 1)[:-1]
        context_times = torch.linspace(0.0, 1.0, schedule.num_steps)
        signal = schedule.alpha_bar[:, None]
        sharpness = torch.tensor(_TRUST_SHARPNESS, dtype=signal.dtype)
        tables = {
            "_flow_embedding": embed_time(grid),
            "_context_embedding": embed_time(context_times),
            "_trust": (signal / (signal + sharpness * (1.0 - signal))).float(),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    @torch.no_grad()
    def fit_normalisers(self, data: PolicyBatch) -> None:
        """Takes the statistics of a whole data set, actions counted step by step."""
        self.proprio_normaliser.fit(data.proprio)
        self.context_normaliser.fit(data.context)
        self.action_normaliser.fit(data.actions.flatten(0, 1))

    def statistics_hash(self) -> str:
        """Returns the SHA-256 of the normalisers' numbers (little-endian float32), hexadecimal."""
        digest = hashlib.sha256()
        for normaliser in (
            self.proprio_normaliser,
            self.context_normaliser,
            self.action_normaliser,
        ):
            for table in (normaliser.mean, normaliser.std):
                digest.update(table.detach().cpu().numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    def loss(
        self, batch: PolicyBatch, generator: torch.Generator, sigma: Tensor | None = None
    ) -> Tensor:
        """Flow-matching loss with a freshly corrupted context (paper, Eq. 7).

        Args:
            batch: Samples in raw units.
            generator: Source of flow times, context times and noises.
            sigma: Context times in [0, 1], shape (B,); drawn from the training distribution if
                absent.

        Returns:
            Mean squared error of the velocity in normalised units, a scalar.
        """
        actions = self.action_normaliser.normalise(batch.actions)
        size, device = actions.shape[0], actions.device
        noise = torch.randn(actions.shape, generator=generator, device=device)
        flow_time = torch.rand(size, generator=generator, device=device)
        if sigma is None:
            sigma = self._draw_sigma(size, generator, device)
        epsilon = torch.randn(batch.context.shape, generator=generator, device=device)
        observed = self._observe(batch.proprio, batch.context, sigma, epsilon)
        modulation = self._modulation(observed, embed_time(flow_time))
        time = flow_time[:, None, None]
        noisy = (1.0 - time) * actions + time * noise
        velocity = self._velocity(noisy.flatten(1), observed, modulation)
        return functional.mse_loss(velocity, (noise - actions).flatten(1))

    @torch.no_grad()
    def sample(
        self, proprio: Tensor, context: Tensor, sigma: Tensor, epsilon: Tensor, noise: Tensor
    ) -> Tensor:
        """Draws action chunks: Euler steps from noise at flow time 1 to actions at 0.

        Args:
            proprio: Robot states in raw units, shape (B, P).
            context: Contexts in raw units, shape (B, C).
            sigma: Normalised context times in [0, 1], shape (B,).
            epsilon: Context noise in normalised units, shape (B, C).
            noise: Initial flow noise, shape (B, H, A).

        Returns:
            Actions in raw units, shape (B, H, A). A deterministic function of the arguments.

        Raises:
            ValueError: A sigma lies outside [0, 1], or is not 0 although the policy was trained
                without context smoothing.
        """
        if not self.config.context_smoothing and bool((sigma != 0.0).any()):
            raise ValueError(
                "this policy was trained without context smoothing and takes sigma = 0 only, "
                f"got {sigma.tolist()}"
            )
        observed = self._observe(proprio, context, sigma, epsilon)
        modulations = self._modulation(observed[None], self._flow_embedding[:, None])
        x = noise.flatten(1)
        for modulation in modulations.unbind(0):
            x = x - self._velocity(x, observed, modulation) / self.config.flow_steps
        return self.action_normaliser.restore(x.view(noise.shape))

    def _draw_sigma(self, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
        if not self.config.context_smoothing:
            return torch.zeros(size, device=device)
        sigma = torch.rand(size, generator=generator, device=device)
        clean = torch.rand(size, generator=generator, device=device) < self.config.clean_fraction
        # floor() would reach the last index, the marginal, with probability zero.
        steps = self.schedule.num_steps
        sigma = torch.floor(sigma * steps) / (steps - 1)
        return sigma.clamp_(max=1.0).masked_fill_(clean, 0.0)

    def _observe(self, proprio: Tensor, context: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Embeds proprioception and the corrupted context, (B, hidden).

        Copies of the corrupted context fade out at different noise levels: a precise context then
        speaks through all of them, a noisy one only through the first.
        """
        normalised = self.context_normaliser.normalise(context)
        corrupted = self.schedule.corrupt(normalised, sigma, epsilon)
        index = self.schedule.index(sigma)
        faded = (self._trust[index][:, :, None] * corrupted[:, None]).flatten(1)
        parts = (
            self.proprio_normaliser.normalise(proprio),
            corrupted,
            faded,
            self._context_embedding[index],
        )
        return self.observe(torch.cat(parts, dim=-1))

    def _modulation(self, observed: Tensor, flow_embedding: Tensor) -> Tensor:
        """Shift, scale and gate of all blocks, (..., (3 * blocks + 2) * hidden)."""
        return self.modulate(functional.silu(observed + self.flow_time(flow_embedding)))

    def _velocity(self, x: Tensor, observed: Tensor, modulation: Tensor) -> Tensor:
        """Predicts ``noise - action`` for flattened noisy chunks x (B, H * A)."""
        hidden = self.config.hidden
        h = self.chunk_in(torch.cat((x, observed), dim=-1))
        pieces = modulation.split(3 * hidden, dim=-1)
        for block, piece in zip(self.blocks, pieces, strict=False):
            h = block(h, piece)
        shift, scale = pieces[-1].chunk(2, dim=-1)
        return self.chunk_out(torch.addcmul(shift, self.final_norm(h), 1.0 + scale))


def embed_time(time: Tensor) -> Tensor:
    """Sines and cosines of a time in [0, 1] at periods from 4 down to 0.04.

    Args:
        time: Shape (N,), float32.

    Returns:
        Shape (N, 64).
    """
    half = _TIME_EMBEDDING_DIM // 2
    periods = torch.logspace(math.log10(0.04), math.log10(4.0), half, device=time.device)
    angle = 2.0 * math.pi * time[:, None] / periods
    return torch.cat((angle.sin(), angle.cos()), dim=-1)
