"""The parts of a Gemma stream: norms, projections, gated feed-forward, rotary positions.

pi0 has two streams of the same depth, for the prefix and for state and actions. They have weights
of their own and meet in attention, which is why a layer here offers the steps around attention
and not the attention itself. In pi0.5 the norms of the second stream are adaptive: times reach the
actions through them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.pi0.config import GemmaConfig, Pi0Config
from tmrl_policies.torch_seam import unflatten

_EPS = 1e-6
_ROTARY_BASE = 10_000.0


class RmsNorm(nn.Module):
    """Root-mean-square norm whose stored weight is the difference from one, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps (..., width) to the same shape and dtype."""
        exact = functional.rms_norm(tokens.float(), self.weight.shape, eps=_EPS)
        return (exact * (1.0 + self.weight.float())).to(tokens.dtype)


class Modulation(NamedTuple):
    """What an adaptive norm does to the tokens of B chunks, and to the branch behind it.

    Attributes:
        scale: Difference from one of what normalised tokens are multiplied with, shape
            (B, 1, width), float32.
        shift: Added to them, same shape.
        gate: What the branch is multiplied with before it is added to its skip, same shape.
    """

    scale: Tensor
    shift: Tensor
    gate: Tensor

    def normalise(self, tokens: Tensor) -> Tensor:
        """Root-mean-square norm of (B, T, width), in the same dtype."""
        exact = functional.rms_norm(tokens.float(), tokens.shape[-1:], eps=_EPS)
        return (exact * (1.0 + self.scale) + self.shift).to(tokens.dtype)


class AdaptiveRmsNorm(nn.Module):
    """Root-mean-square norm whose scale and shift follow from a condition, in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, 3 * width)

    def modulation(self, condition: Tensor) -> Modulation:
        """What a condition (B, width) makes of the norm."""
        parts = self.dense(condition.to(self.dense.weight.dtype)).float()[:, None]
        return Modulation(*parts.chunk(3, dim=-1))


class GemmaLayer(nn.Module):
    """One layer of one stream.

    Args:
        stream: Its widths.
        config: Of the network.
        adaptive: Whether its norms are adaptive; its steps need a condition then.
    """

    def __init__(self, stream: GemmaConfig, config: Pi0Config, *, adaptive: bool = False) -> None:
        super().__init__()
        norm = AdaptiveRmsNorm if adaptive else RmsNorm
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.input_norm = norm(stream.width)
        self.q_proj = nn.Linear(stream.width, config.heads * config.head_dim, bias=False)
        self.k_proj = nn.Linear(stream.width, config.kv_heads * config.head_dim, bias=False)
        self.v_proj = nn.Linear(stream.width, config.kv_heads * config.head_dim, bias=False)
        self.o_proj = nn.Linear(config.heads * config.head_dim, stream.width, bias=False)
        self.mlp_norm = norm(stream.width)
        self.gate_proj = nn.Linear(stream.width, stream.mlp, bias=False)
        self.up_proj = nn.Linear(stream.width, stream.mlp, bias=False)
        self.down_proj = nn.Linear(stream.mlp, stream.width, bias=False)

    def project(
        self, tokens: Tensor, rotary: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens.

        Args:
            tokens: Shape (B, T, width).
            rotary: From `rotary_table`, shape (2, B, 1, T, head_dim).
            condition: Of adaptive norms, shape (B, width).

        Returns:
            Shapes (B, heads, T, head_dim) and twice (B, kv_heads, T, head_dim); queries and keys
            are turned to their positions.
        """
        normed = normalised(tokens, self.input_norm, condition)
        q = _split_heads(self.q_proj(normed), self.heads)
        k = _split_heads(self.k_proj(normed), self.kv_heads)
        v = _split_heads(self.v_proj(normed), self.kv_heads)
        return rotate(q, rotary), rotate(k, rotary), v

    def finish(self, tokens: Tensor, attended: Tensor, condition: Tensor | None = None) -> Tensor:
        """Everything after attention.

        Args:
            tokens: What went into the layer, shape (B, T, width).
            attended: Mixed values, shape (B, heads, T, head_dim).
            condition: Of adaptive norms, shape (B, width).

        Returns:
            Shape (B, T, width).
        """
        mixed = self.o_proj(attended.transpose(1, 2).flatten(2))
        tokens = tokens + _gated(mixed, self.input_norm, condition)
        normed = normalised(tokens, self.mlp_norm, condition)
        gate = functional.gelu(self.gate_proj(normed), approximate="tanh")
        branch = self.down_proj(gate * self.up_proj(normed))
        return tokens + _gated(branch, self.mlp_norm, condition)


class GemmaStream(nn.Module):
    """The layers of one stream and the norm behind them.

    Args:
        stream: Its widths.
        config: Of the network.
        adaptive: Whether its norms are adaptive.
    """

    def __init__(self, stream: GemmaConfig, config: Pi0Config, *, adaptive: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GemmaLayer(stream, config, adaptive=adaptive) for _ in range(config.layers)
        )
        self.norm = (AdaptiveRmsNorm if adaptive else RmsNorm)(stream.width)

    def __getitem__(self, index: int) -> GemmaLayer:
        """Layer number `index`."""
        layer = self.layers[index]
        assert isinstance(layer, GemmaLayer)
        return layer


def normalised(tokens: Tensor, norm: RmsNorm | AdaptiveRmsNorm, condition: Tensor | None) -> Tensor:
    """Tokens (B, T, width) behind a norm of either kind.

    Args:
        tokens: Of any floating type, which is kept.
        norm: Adaptive or not.
        condition: Shape (B, width); read by adaptive norms only, which need it.
    """
    if isinstance(norm, RmsNorm):
        return norm(tokens)
    assert condition is not None, "an adaptive norm needs a condition"
    return norm.modulation(condition).normalise(tokens)


def _gated(branch: Tensor, norm: RmsNorm | AdaptiveRmsNorm, condition: Tensor | None) -> Tensor:
    """What is added of the branch that began with a norm."""
    if isinstance(norm, RmsNorm):
        return branch
    assert condition is not None, "an adaptive norm needs a condition"
    return norm.modulation(condition).gate.to(branch.dtype) * branch


def rotary_table(positions: Tensor, head_dim: int) -> Tensor:
    """Cosines and sines that turn the halves of a head into each other (RoPE).

    Args:
        positions: Shape (B, T), int64.
        head_dim: Width of one head, even.

    Returns:
        Shape (2, B, 1, T, head_dim), float32.
    """
    exponents = torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim
    angles = positions[:, None, :, None].float() / _ROTARY_BASE**exponents
    angles = torch.cat((angles, angles), dim=-1)
    return torch.stack((angles.cos(), angles.sin()))


def rotate(heads: Tensor, rotary: Tensor) -> Tensor:
    """Turns heads of shape (B, heads, T, head_dim) to their positions."""
    cosine, sine = rotary.to(heads.dtype)
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat((-second, first), dim=-1) * sine


def _split_heads(projected: Tensor, heads: int) -> Tensor:
    return unflatten(projected, -1, (heads, -1)).transpose(1, 2)
