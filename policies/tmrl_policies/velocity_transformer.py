"""A diffusion transformer over the actions of a chunk: the paper's network of the flow policy."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.flow_config import FlowPolicyConfig
from tmrl_policies.torch_seam import split

_POSITION_STD = 0.02
_EXPANSION = 4


class TransformerVelocity(nn.Module):
    """Predicts the velocity of noisy action chunks; every action is a token."""

    def __init__(self, config: FlowPolicyConfig) -> None:
        """Builds an untrained network: its velocity is zero everywhere."""
        super().__init__()
        hidden = config.hidden
        self.chunk_in = nn.Linear(config.action_dim, hidden)
        self.positions = nn.Parameter(_POSITION_STD * torch.randn(config.horizon, hidden))
        self.blocks = nn.ModuleList(
            _AttentionBlock(hidden, config.heads) for _ in range(config.blocks)
        )
        self.final_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.chunk_out = nn.Linear(hidden, config.action_dim)
        nn.init.zeros_(self.chunk_out.weight)
        nn.init.zeros_(self.chunk_out.bias)

    @staticmethod
    def modulation_dim(config: FlowPolicyConfig) -> int:
        """Length M of the modulation: twice shift, scale and gate per block, shift and scale."""
        return (config.blocks * 6 + 2) * config.hidden

    def forward(self, x: Tensor, observed: Tensor, modulation: Tensor) -> Tensor:
        """Predicts ``noise - action``.

        Args:
            x: Noisy chunks, shape (B, H, A).
            observed: Not used: here everything observed comes through the modulation.
            modulation: Shape (B, M).

        Returns:
            Shape (B, H, A).
        """
        h = self.chunk_in(x) + self.positions
        pieces = split(modulation[:, None], 6 * h.shape[-1], dim=-1)
        for block, piece in zip(self.blocks, pieces, strict=False):
            h = block(h, piece)
        shift, scale = pieces[-1].chunk(2, dim=-1)
        return self.chunk_out(torch.addcmul(shift, self.final_norm(h), 1.0 + scale))


class _AttentionBlock(nn.Module):
    """Self-attention and MLP whose norms and gates follow a modulation vector (AdaLN-zero)."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.mlp_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.expand = nn.Linear(hidden, _EXPANSION * hidden)
        self.contract = nn.Linear(_EXPANSION * hidden, hidden)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Maps x (B, H, hidden) with modulation (B, 1, 6 * hidden) to (B, H, hidden)."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.chunk(6, dim=-1)
        y = torch.addcmul(shift, self.attention_norm(x), 1.0 + scale)
        x = torch.addcmul(x, gate, self._attend(y))
        y = torch.addcmul(mlp_shift, self.mlp_norm(x), 1.0 + mlp_scale)
        return torch.addcmul(x, mlp_gate, self.contract(functional.mish(self.expand(y))))

    def _attend(self, y: Tensor) -> Tensor:
        """Every action looks at all others of its chunk, (B, H, hidden)."""
        size, tokens, hidden = y.shape
        split = self.query_key_value(y).view(size, tokens, 3, self.heads, hidden // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.attended(mixed.transpose(1, 2).reshape(size, tokens, hidden))
