"""CSP-pi0 as a network: what it is, without regard for speed (see `sampler` for that).

A vision-language prefix (SigLIP image tokens, embedded prompt) and a stream of state and noisy
actions meet in every layer's attention; the second stream predicts the velocity ``noise - action``
of the straight path ``x_t = (1 - t) * action + t * noise``. Context smoothing corrupts the prefix's
embeddings with noise and gives the second stream the context time (paper, workshop version, section
IV-A). Without it this is plain pi0.

pi0.5 has no state token, since the state is in its prompt, and its times do not enter the action
tokens but a condition from which the second stream's norms take scale, shift and gate.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.corruption import noise_schedule
from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import Pi0Config
from tmrl_policies.pi0.gemma import GemmaStream, normalised, rotary_table
from tmrl_policies.pi0.siglip import Siglip
from tmrl_policies.pi0.time_embedding import embed_times
from tmrl_policies.torch_seam import split, unflatten

_PREFIX_RMS_EPS = 1e-6


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
        self.expert = GemmaStream(config.expert, config, adaptive=config.pi05)
        self.action_in_proj = nn.Linear(config.action_dim, width)
        if config.pi05:
            self.time_mlp_in = nn.Linear(width, width)
            self.time_mlp_out = nn.Linear(width, width)
        else:
            self.state_proj = nn.Linear(config.action_dim, width)
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
        """Normalises a prefix where its weights ask for it, and corrupts it.

        Args:
            prefix: Shape (B, P, width).
            sigma: Context times in [0, 1], shape (B,).
            epsilon: Noise of every token, shape (B, P, width), as in training; or one vector that
                is repeated over the tokens, shape (B, width), as an actor picks it.

        Returns:
            Shape (B, P, width); the prefix itself for plain pi0.
        """
        if not self.config.context_smoothing:
            return prefix
        # In float32: the kernel's amplitudes need more than bfloat16's three digits.
        exact = divide_by_rms(prefix.float()) if self.config.prefix_rms else prefix.float()
        noise = epsilon.float() if epsilon.dim() == prefix.dim() else epsilon.float()[:, None]
        return self.schedule.corrupt(exact, sigma, noise).to(prefix.dtype)

    def embed_actions(self, actions: Tensor, flow_time: Tensor, sigma: Tensor) -> Tensor:
        """Tokens of noisy actions, which also carry the times of a pi0.

        Args:
            actions: Shape (B, H, action_dim), float32.
            flow_time: Shape (B,).
            sigma: Context times, shape (B,); not looked at by plain pi0.

        Returns:
            Shape (B, H, expert width), float32.
        """
        tokens = self.action_in_proj(actions)
        if self.config.pi05:
            return tokens
        times = self._embed_times(flow_time, sigma)[:, None].expand_as(tokens)
        hidden = functional.silu(self.action_time_mlp_in(torch.cat((tokens, times), dim=-1)))
        return self.action_time_mlp_out(hidden)

    def time_condition(self, flow_time: Tensor, sigma: Tensor) -> Tensor | None:
        """What the adaptive norms of a pi0.5 follow.

        Args:
            flow_time: Shape (B,).
            sigma: Context times, shape (B,); not looked at without context smoothing.

        Returns:
            Shape (B, expert width), float32; None for pi0.
        """
        if not self.config.pi05:
            return None
        hidden = functional.silu(self.time_mlp_in(self._embed_times(flow_time, sigma)))
        return functional.silu(self.time_mlp_out(hidden))

    def _embed_times(self, flow_time: Tensor, sigma: Tensor) -> Tensor:
        context_time = sigma if self.config.context_smoothing else None
        return embed_times(flow_time, context_time, self.config.expert.width)

    def embed_prefix(self, batch: Pi0Batch) -> tuple[Tensor, Tensor]:
        """Prefix tokens before corruption (B, P, width) and which of them are there (B, P)."""
        slots = batch.images.shape[1]
        images = unflatten(self.embed_images(batch.images.flatten(0, 1)), 0, (-1, slots))
        images_there = batch.image_mask[:, :, None].expand(images.shape[:3])
        prompt = self.embed_prompt(batch.tokens).to(images.dtype)
        prefix = torch.cat((images.flatten(1, 2), prompt), dim=1)
        there = torch.cat((images_there.flatten(1), batch.token_mask), dim=1)
        return prefix, there

    def embed_suffix(self, state: Tensor, actions: Tensor) -> Tensor:
        """Tokens of the second stream, in the dtype of the streams.

        Args:
            state: Normalised robot state, shape (B, action_dim), float32; not looked at by pi0.5.
            actions: From `embed_actions`, shape (B, H, expert width).

        Returns:
            Shape (B, S, expert width): for pi0 the state's token before those of the actions.
        """
        if not self.config.pi05:
            actions = torch.cat((self.state_proj(state)[:, None], actions), dim=1)
        return actions.to(self.dtype)

    def velocity(
        self,
        prefix: Tensor,
        there: Tensor,
        state: Tensor,
        actions: Tensor,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Runs both streams.

        Args:
            prefix: Shape (B, P, prefix width).
            there: Which tokens of the prefix are there, shape (B, P), bool.
            state: Normalised robot state, shape (B, action_dim), float32.
            actions: From `embed_actions`, shape (B, H, expert width).
            condition: From `time_condition`.

        Returns:
            Shape (B, H, action_dim), float32.
        """
        horizon = actions.shape[1]
        streams = [prefix, self.embed_suffix(state, actions)]
        mask = attention_mask(there, self.suffix_blocks(horizon))
        positions = token_positions(there, streams[1].shape[1])
        rotary = rotary_table(positions, self.config.head_dim)
        for index in range(self.config.layers):
            streams = self._layer(index, streams, mask, rotary, condition)
        out = normalised(streams[1], self.expert.norm, condition)[:, -horizon:]
        return self.action_out_proj(out.to(self.action_out_proj.weight.dtype)).float()

    def suffix_blocks(self, horizon: int) -> tuple[int, ...]:
        """Lengths of the blocks of the second stream, for `attention_mask`."""
        return (horizon,) if self.config.pi05 else (1, horizon)

    def _layer(
        self,
        index: int,
        streams: list[Tensor],
        mask: Tensor,
        rotary: Tensor,
        condition: Tensor | None,
    ) -> list[Tensor]:
        """One layer of both streams, which attend to each other's tokens as `mask` allows."""
        layers, conditions = (self.prefix[index], self.expert[index]), (None, condition)
        lengths = [tokens.shape[1] for tokens in streams]
        parts = [
            layer.project(tokens, turned, given)
            for layer, tokens, turned, given in zip(
                layers, streams, split(rotary, lengths, dim=3), conditions, strict=True
            )
        ]
        q, k, v = (torch.cat(pieces, dim=2) for pieces in zip(*parts, strict=True))
        mixed = functional.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        return [
            layer.finish(tokens, attended, given)
            for layer, tokens, attended, given in zip(
                layers, streams, split(mixed, lengths, dim=2), conditions, strict=True
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
            epsilon: Context noise of every token of the prefix, shape (B, P, prefix width), or one
                vector for all of them, shape (B, prefix width).

        Returns:
            Shape (B, H, action_dim), float32, unreduced.
        """
        time = flow_time[:, None, None]
        noisy = time * noise + (1.0 - time) * actions
        prefix, there = self.embed_prefix(batch)
        prefix = self.corrupt(prefix, sigma, epsilon)
        tokens = self.embed_actions(noisy, flow_time, sigma)
        condition = self.time_condition(flow_time, sigma)
        velocity = self.velocity(prefix, there, batch.state, tokens, condition)
        return (velocity - (noise - actions)).square()

    @torch.inference_mode()
    def sample(self, batch: Pi0Batch, noise: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Integrates the flow in the plainest way: everything is recomputed in every step.

        Args:
            batch: Observations.
            noise: Initial flow noise, shape (B, H, action_dim).
            sigma: Context times, shape (B,).
            epsilon: Context noise, as for `flow_loss`.

        Returns:
            Normalised actions, shape (B, H, action_dim), float32.
        """
        prefix, there = self.embed_prefix(batch)
        prefix = self.corrupt(prefix, sigma, epsilon)
        steps, actions = self.config.flow_steps, noise
        for step in range(steps):
            flow_time = torch.full_like(sigma, 1.0 - step / steps)
            tokens = self.embed_actions(actions, flow_time, sigma)
            condition = self.time_condition(flow_time, sigma)
            velocity = self.velocity(prefix, there, batch.state, tokens, condition)
            actions = actions - velocity / steps
        return actions


def divide_by_rms(tokens: Tensor) -> Tensor:
    """Divides each token of (..., width) by its root mean square, which is kept away from 0."""
    return tokens / (tokens.square().mean(dim=-1, keepdim=True).sqrt() + _PREFIX_RMS_EPS)


def attention_mask(there: Tensor, blocks: Sequence[int]) -> Tensor:
    """Who sees whom: the prefix itself, each later block also everything before it.

    Args:
        there: Which tokens of the prefix are there, shape (B, P), bool.
        blocks: Lengths of the blocks behind the prefix, together S.

    Returns:
        Shape (B, 1, P + S, P + S), bool; rows see columns.
    """
    lengths = torch.tensor((there.shape[1], *blocks), device=there.device)
    block = torch.arange(len(lengths), device=there.device).repeat_interleave(lengths)
    sees = block[:, None] >= block[None, :]
    suffix = there.new_ones((there.shape[0], sum(blocks)))
    return (sees & torch.cat((there, suffix), dim=1)[:, None, :])[:, None]


def token_positions(there: Tensor, suffix_length: int) -> Tensor:
    """Positions (B, P + S) that count only the tokens that are there; all of the suffix are."""
    suffix = there.new_ones((there.shape[0], suffix_length))
    return torch.cat((there, suffix), dim=1).long().cumsum(dim=1) - 1
