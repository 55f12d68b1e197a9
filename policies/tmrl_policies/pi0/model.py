"""CSP-pi0 as a network: what it is, without regard for speed (see `sampler` for that).

A vision-language prefix (SigLIP image tokens, embedded prompt) and a stream of state and noisy
actions meet in every layer's attention; the second stream predicts the velocity ``noise - action``
of the straight path ``x_t = (1 - t) * action + t * noise``. Context smoothing corrupts the prefix's
embeddings with one noise vector for all of its tokens and tells the second stream the context time
(paper, workshop version, section IV-A). Without it this is plain pi0.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.corruption import noise_schedule
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import Pi0Config
from tmrl_policies.pi0.gemma import GemmaStream, rotary_table
from tmrl_policies.pi0.siglip import Siglip
from tmrl_policies.pi0.time_embedding import embed_times
from tmrl_policies.torch_seam import split, unflatten


class Pi0(nn.Module):
    """The whole network, with random weights until `weights.load_weights` brings others.

    Attributes:
        config: Its sizes.
        schedule: Noise schedule of the corruption.
    """

    def __init__(self, config: Pi0Config) -> None:
        super().__init__()
        self.config = config
        width = config.expert.width
        self.siglip = Siglip(config.siglip)
        self.projector = nn.Linear(config.siglip.width, config.prefix.width)
        self.token_embedding = nn.Embedding(config.vocabulary, config.prefix.width)
        self.prefix = GemmaStream(config.prefix, config)
        self.expert = GemmaStream(config.expert, config)
        self.state_proj = nn.Linear(config.action_dim, width)
        self.action_in_proj = nn.Linear(config.action_dim, width)
        self.action_time_mlp_in = nn.Linear(2 * width, width)
        self.action_time_mlp_out = nn.Linear(width, width)
        self.action_out_proj = nn.Linear(width, config.action_dim)
        self.schedule = noise_schedule(config.schedule, exact_at_zero=config.exact_at_zero)

    @property
    def dtype(self) -> torch.dtype:
        """Of the tokens inside both streams."""
        return self.prefix[0].q_proj.weight.dtype

    def embed_images(self, images: Tensor) -> Tensor:
        """Prefix tokens of images: (N, 3, 224, 224) in [-1, 1] to (N, T, prefix width)."""
        return self.projector(self.siglip(images))

    def embed_prompt(self, tokens: Tensor) -> Tensor:
        """Prefix tokens of a prompt: (B, L) to (B, L, prefix width)."""
        return self.token_embedding(tokens) * math.sqrt(self.config.prefix.width)

    def corrupt(self, prefix: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Corrupts a prefix, with one noise vector for all of its tokens.

        Args:
            prefix: Shape (B, P, width).
            sigma: Context times in [0, 1], shape (B,).
            epsilon: Shape (B, width).

        Returns:
            Shape (B, P, width); the prefix itself for plain pi0.
        """
        if not self.config.context_smoothing:
            return prefix
        # In float32: the kernel's amplitudes need more than bfloat16's three digits.
        corrupted = self.schedule.corrupt(prefix.float(), sigma, epsilon.float()[:, None])
        return corrupted.to(prefix.dtype)

    def embed_actions(self, actions: Tensor, flow_time: Tensor, sigma: Tensor) -> Tensor:
        """Tokens of noisy actions, which also carry the times.

        Args:
            actions: Shape (B, H, action_dim), float32.
            flow_time: Shape (B,).
            sigma: Context times, shape (B,); not looked at by plain pi0.

        Returns:
            Shape (B, H, expert width), float32.
        """
        context_time = sigma if self.config.context_smoothing else None
        times = embed_times(flow_time, context_time, self.config.expert.width)
        tokens = self.action_in_proj(actions)
        joined = torch.cat((tokens, times[:, None].expand_as(tokens)), dim=-1)
        return self.action_time_mlp_out(functional.silu(self.action_time_mlp_in(joined)))

    def embed_prefix(self, batch: Pi0Batch) -> tuple[Tensor, Tensor]:
        """Prefix tokens before corruption (B, P, width) and which of them are there (B, P)."""
        slots = batch.images.shape[1]
        images = unflatten(self.embed_images(batch.images.flatten(0, 1)), 0, (-1, slots))
        images_there = batch.image_mask[:, :, None].expand(images.shape[:3])
        prompt = self.embed_prompt(batch.tokens).to(images.dtype)
        prefix = torch.cat((images.flatten(1, 2), prompt), dim=1)
        there = torch.cat((images_there.flatten(1), batch.token_mask), dim=1)
        return prefix, there

    def velocity(self, prefix: Tensor, there: Tensor, state: Tensor, actions: Tensor) -> Tensor:
        """Runs both streams.

        Args:
            prefix: Shape (B, P, prefix width).
            there: Which tokens of the prefix are there, shape (B, P), bool.
            state: Normalised robot state, shape (B, action_dim), float32.
            actions: From `embed_actions`, shape (B, H, expert width).

        Returns:
            Shape (B, H, action_dim), float32.
        """
        state_token = self.state_proj(state)[:, None]
        streams = [prefix, torch.cat((state_token, actions), dim=1).to(self.dtype)]
        mask = attention_mask(there, actions.shape[1])
        rotary = rotary_table(token_positions(there, actions.shape[1]), self.config.head_dim)
        for index in range(self.config.layers):
            streams = self._layer(index, streams, mask, rotary)
        out = self.expert.norm(streams[1])[:, -actions.shape[1] :]
        return self.action_out_proj(out.to(self.action_out_proj.weight.dtype)).float()

    def _layer(
        self, index: int, streams: list[Tensor], mask: Tensor, rotary: Tensor
    ) -> list[Tensor]:
        """One layer of both streams, which attend to each other's tokens as `mask` allows."""
        layers = (self.prefix[index], self.expert[index])
        lengths = [tokens.shape[1] for tokens in streams]
        parts = [
            layer.project(tokens, turned)
            for layer, tokens, turned in zip(
                layers, streams, split(rotary, lengths, dim=3), strict=True
            )
        ]
        q, k, v = (torch.cat(pieces, dim=2) for pieces in zip(*parts, strict=True))
        mixed = functional.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        return [
            layer.finish(tokens, attended)
            for layer, tokens, attended in zip(
                layers, streams, split(mixed, lengths, dim=2), strict=True
            )
        ]

    def flow_loss(
        self,
        batch: Pi0Batch,
        actions: Tensor,
        noise: Tensor,
        flow_time: Tensor,
        sigma: Tensor,
        epsilon: Tensor,
    ) -> Tensor:
        """Squared error of the predicted velocity (paper, workshop version, Algorithm 1).

        Args:
            batch: Observations.
            actions: Normalised actions, shape (B, H, action_dim).
            noise: Flow noise of the same shape.
            flow_time: Shape (B,), in [0, 1]; 1 is noise.
            sigma: Context times, shape (B,).
            epsilon: Context noise, shape (B, prefix width).

        Returns:
            Shape (B, H, action_dim), float32, unreduced.
        """
        time = flow_time[:, None, None]
        noisy = time * noise + (1.0 - time) * actions
        prefix, there = self.embed_prefix(batch)
        prefix = self.corrupt(prefix, sigma, epsilon)
        tokens = self.embed_actions(noisy, flow_time, sigma)
        velocity = self.velocity(prefix, there, batch.state, tokens)
        return (velocity - (noise - actions)).square()

    @torch.inference_mode()
    def sample(self, batch: Pi0Batch, noise: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Integrates the flow in the plainest way: everything is recomputed in every step.

        Args:
            batch: Observations.
            noise: Initial flow noise, shape (B, H, action_dim).
            sigma: Context times, shape (B,).
            epsilon: Context noise, shape (B, prefix width).

        Returns:
            Normalised actions, shape (B, H, action_dim), float32.
        """
        prefix, there = self.embed_prefix(batch)
        prefix = self.corrupt(prefix, sigma, epsilon)
        steps, actions = self.config.flow_steps, noise
        for step in range(steps):
            flow_time = torch.full_like(sigma, 1.0 - step / steps)
            tokens = self.embed_actions(actions, flow_time, sigma)
            actions = actions - self.velocity(prefix, there, batch.state, tokens) / steps
        return actions


def attention_mask(there: Tensor, horizon: int) -> Tensor:
    """Who sees whom: the prefix itself, the state also the prefix, the actions everything.

    Args:
        there: Which tokens of the prefix are there, shape (B, P), bool.
        horizon: Number of action tokens.

    Returns:
        Shape (B, 1, P + 1 + H, P + 1 + H), bool; rows see columns.
    """
    length = there.shape[1]
    block = torch.zeros(length + 1 + horizon, dtype=torch.long, device=there.device)
    block[length] = 1
    block[length + 1 :] = 2
    sees = block[:, None] >= block[None, :]
    suffix = there.new_ones((there.shape[0], 1 + horizon))
    return (sees & torch.cat((there, suffix), dim=1)[:, None, :])[:, None]


def token_positions(there: Tensor, horizon: int) -> Tensor:
    """Positions (B, P + 1 + H) that count only the tokens that are there."""
    suffix = there.new_ones((there.shape[0], 1 + horizon))
    return torch.cat((there, suffix), dim=1).long().cumsum(dim=1) - 1
