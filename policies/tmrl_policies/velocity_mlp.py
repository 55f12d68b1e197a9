"""A residual MLP over the flattened action chunk: the default network of the flow policy."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.flow_config import FlowPolicyConfig
from tmrl_policies.torch_seam import split


class MlpVelocity(nn.Module):
    """Predicts the velocity of noisy action chunks."""

    def __init__(self, config: FlowPolicyConfig) -> None:
        """Builds an untrained network: its velocity is zero everywhere."""
        super().__init__()
        hidden = config.hidden
        chunk_dim = config.horizon * config.action_dim
        self.chunk_in = nn.Linear(chunk_dim + hidden, hidden)
        self.blocks = nn.ModuleList(_ModulatedBlock(hidden) for _ in range(config.blocks))
        self.final_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.chunk_out = nn.Linear(hidden, chunk_dim)
        nn.init.zeros_(self.chunk_out.weight)
        nn.init.zeros_(self.chunk_out.bias)

    @staticmethod
    def modulation_dim(config: FlowPolicyConfig) -> int:
        """Length M of the modulation: shift, scale and gate of every block, shift and scale."""
        return (config.blocks * 3 + 2) * config.hidden

    def forward(self, x: Tensor, observed: Tensor, modulation: Tensor) -> Tensor:
        """Predicts ``noise - action``.

        Args:
            x: Noisy chunks, shape (B, H, A).
            observed: Embedding of proprioception and context, shape (B, hidden).
            modulation: Shape (B, M).

        Returns:
            Shape (B, H, A).
        """
        h = self.chunk_in(torch.cat((x.flatten(1), observed), dim=-1))
        pieces = split(modulation, 3 * h.shape[-1], dim=-1)
        for block, piece in zip(self.blocks, pieces, strict=False):
            h = block(h, piece)
        shift, scale = pieces[-1].chunk(2, dim=-1)
        velocity = self.chunk_out(torch.addcmul(shift, self.final_norm(h), 1.0 + scale))
        return velocity.view(x.shape)


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
