"""A small flow-matching policy over action chunks whose context can be smoothed away.

The network predicts the velocity ``noise - action`` of the straight path
``x_t = (1 - t) * action + t * noise`` (flow time t: 1 is noise, 0 is an action), given
proprioception, a corrupted context and how far that context was corrupted (paper, workshop
version, Algorithm 1). With ``context_smoothing=False`` it is plain behaviour cloning; with
``context_dropout`` on top, a policy for classifier-free guidance.
"""

import hashlib
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.corruption import NoiseSchedule, noise_schedule
from tmrl_policies.flow_config import FlowPolicyConfig
from tmrl_policies.inpainting import Committed, inpaint
from tmrl_policies.normalisation import Normaliser
from tmrl_policies.torch_seam import numbers
from tmrl_policies.velocity_mlp import MlpVelocity
from tmrl_policies.velocity_transformer import TransformerVelocity

__all__ = ["FlowPolicy", "FlowPolicyConfig", "Normaliser", "PolicyBatch", "embed_time"]

_TIME_EMBEDDING_DIM = 64
_TRUST_SHARPNESS = (1.0, 10.0, 100.0)
_NETWORKS = {"mlp": MlpVelocity, "transformer": TransformerVelocity}


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
        observed = config.proprio_dim + (1 + len(_TRUST_SHARPNESS)) * config.context_dim
        self.observe = nn.Sequential(
            nn.Linear(observed + _TIME_EMBEDDING_DIM, hidden), nn.SiLU(), nn.Linear(hidden, hidden)
        )
        self.flow_time = nn.Linear(_TIME_EMBEDDING_DIM, hidden)
        network = _NETWORKS[config.network]
        self.modulate = nn.Linear(hidden, network.modulation_dim(config))
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        self.network = network(config)
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
        self,
        batch: PolicyBatch,
        generator: torch.Generator,
        sigma: Tensor | None = None,
        dropped: Tensor | None = None,
    ) -> Tensor:
        """Flow-matching loss with a freshly corrupted context (paper, Eq. 7).

        Args:
            batch: Samples in raw units.
            generator: Source of flow times, context times, noises and dropped contexts.
            sigma: Context times in [0, 1], shape (B,); drawn from the training distribution if
                absent.
            dropped: Which samples see the null context, shape (B,), bool; drawn from the training
                distribution if absent.

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
        inputs = self._inputs(batch.proprio, batch.context, sigma, epsilon)
        if dropped is None and self.config.context_dropout > 0.0:
            chance = torch.rand(size, generator=generator, device=device)
            dropped = chance < self.config.context_dropout
        if dropped is not None:
            inputs = torch.where(dropped[:, None], self._null_inputs(batch.proprio), inputs)
        observed = self.observe(inputs)
        modulation = self._modulation(observed, embed_time(flow_time))
        time = flow_time[:, None, None]
        noisy = (1.0 - time) * actions + time * noise
        velocity = self.network(noisy, observed, modulation)
        return functional.mse_loss(velocity, noise - actions)

    @torch.no_grad()
    def sample(
        self,
        proprio: Tensor,
        context: Tensor,
        sigma: Tensor,
        epsilon: Tensor,
        noise: Tensor,
        known: Committed | None = None,
    ) -> Tensor:
        """Draws action chunks: Euler steps from noise at flow time 1 to actions at 0.

        Args:
            proprio: Robot states in raw units, shape (B, P).
            context: Contexts in raw units, shape (B, C).
            sigma: Normalised context times in [0, 1], shape (B,).
            epsilon: Context noise in normalised units, shape (B, C).
            noise: Initial flow noise, shape (B, H, A).
            known: The first rows of the chunks, where they are executed anyway.

        Returns:
            Actions in raw units, shape (B, H, A). A deterministic function of the arguments.

        Raises:
            ValueError: A sigma lies outside [0, 1], or is not 0 although the policy was trained
                without context smoothing.
        """
        if not self.config.context_smoothing and bool((sigma != 0.0).any()):
            raise ValueError(
                "this policy was trained without context smoothing and takes sigma = 0 only, "
                f"got {numbers(sigma)}"
            )
        observed = self.observe(self._inputs(proprio, context, sigma, epsilon))
        modulations = self._modulations(observed)
        return self._integrate(noise, lambda x, i: self.network(x, observed, modulations[i]), known)

    @torch.no_grad()
    def sample_guided(
        self, proprio: Tensor, context: Tensor, weight: Tensor, noise: Tensor
    ) -> Tensor:
        """Draws action chunks with classifier-free guidance (paper, appendix A-E).

        Every Euler step follows ``v_null + weight * (v_context - v_null)``: weight 1 is plain
        conditioning, exactly as :meth:`sample` at sigma = 0; weight 0 ignores the context; larger
        weights exaggerate it.

        Args:
            proprio: Robot states in raw units, shape (B, P).
            context: Contexts in raw units, shape (B, C).
            weight: Guidance weights, shape (B,).
            noise: Initial flow noise, shape (B, H, A).

        Returns:
            Actions in raw units, shape (B, H, A). A deterministic function of the arguments.

        Raises:
            ValueError: The policy was trained without context dropout and has no null context.
        """
        if self.config.context_dropout == 0.0:
            raise ValueError(
                "this policy was trained without context dropout and cannot be guided; "
                "pre-train one with method 'cfg'"
            )
        exact = torch.zeros(len(context), device=context.device)
        observed = self.observe(self._inputs(proprio, context, exact, torch.zeros_like(context)))
        null = self.observe(self._null_inputs(proprio))
        modulations, null_modulations = self._modulations(observed), self._modulations(null)
        weights = weight[:, None, None]

        def velocity(x: Tensor, step: int) -> Tensor:
            with_context = self.network(x, observed, modulations[step])
            without = self.network(x, null, null_modulations[step])
            # lerp is exact at both ends; the formula written out is not at weight 1.
            return torch.lerp(without, with_context, weights)

        return self._integrate(noise, velocity)

    def _integrate(
        self,
        noise: Tensor,
        velocity: Callable[[Tensor, int], Tensor],
        known: Committed | None = None,
    ) -> Tensor:
        """Takes the Euler steps; ``velocity`` gets the noisy chunks and the number of the step."""
        x, steps = noise, self.config.flow_steps
        for step in range(steps):
            x = x - velocity(x, step) / steps
            x = inpaint(x, noise, 1.0 - (step + 1) / steps, known)
        return self.action_normaliser.restore(x)

    def _draw_sigma(self, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
        if not self.config.context_smoothing:
            return torch.zeros(size, device=device)
        sigma = torch.rand(size, generator=generator, device=device)
        clean = torch.rand(size, generator=generator, device=device) < self.config.clean_fraction
        # All indices are as likely: of sigma itself, floor() would never reach the marginal, the
        # last. Rounding may bring the product up to T.
        steps = self.schedule.num_steps
        index = torch.floor(sigma * steps).clamp_(max=steps - 1)
        return self.schedule.sigma(index).masked_fill_(clean, 0.0)

    def _inputs(self, proprio: Tensor, context: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """What the network is shown of proprioception and the corrupted context, (B, I).

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
        return torch.cat(parts, dim=-1)

    def _null_inputs(self, proprio: Tensor) -> Tensor:
        """The same without any context: zeros, and the embedding of the last context time."""
        size = proprio.shape[0]
        copies = (1 + len(_TRUST_SHARPNESS)) * self.config.context_dim
        parts = (
            self.proprio_normaliser.normalise(proprio),
            proprio.new_zeros(size, copies),
            self._context_embedding[-1].expand(size, -1),
        )
        return torch.cat(parts, dim=-1)

    def _modulation(self, observed: Tensor, flow_embedding: Tensor) -> Tensor:
        """What steers all blocks of the network, (..., M)."""
        return self.modulate(functional.silu(observed + self.flow_time(flow_embedding)))

    def _modulations(self, observed: Tensor) -> Tensor:
        """The modulation of every Euler step, (flow_steps, B, M)."""
        return self._modulation(observed[None], self._flow_embedding[:, None])


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
