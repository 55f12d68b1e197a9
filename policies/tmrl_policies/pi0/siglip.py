"""The image encoder of pi0: SigLIP, one token per patch, without a pooling head."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.pi0.config import SiglipConfig

_EPS = 1e-6


class SiglipAttention(nn.Module):
    """Multi-head attention of every patch to every patch."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.q_proj = nn.Linear(config.width, config.width)
        self.k_proj = nn.Linear(config.width, config.width)
        self.v_proj = nn.Linear(config.width, config.width)
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps (N, T, width) to the same shape."""
        shape = (*tokens.shape[:2], self.heads, -1)
        q, k, v = (
            project(tokens).view(shape).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class SiglipLayer(nn.Module):
    """Attention and feed-forward part, each behind a layer norm and beside a skip."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=_EPS)
        self.attention = SiglipAttention(config)
        self.norm2 = nn.LayerNorm(config.width, eps=_EPS)
        self.fc1 = nn.Linear(config.width, config.mlp)
        self.fc2 = nn.Linear(config.mlp, config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps (N, T, width) to the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens))
        hidden = functional.gelu(self.fc1(self.norm2(tokens)), approximate="tanh")
        return tokens + self.fc2(hidden)


class Siglip(nn.Module):
    """Images in, tokens out."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        patch = config.patch_px
        self.patch_embedding = nn.Conv2d(3, config.width, kernel_size=patch, stride=patch)
        self.position_embedding = nn.Parameter(torch.empty(config.tokens, config.width))
        nn.init.normal_(self.position_embedding, std=config.width**-0.5)
        self.layers = nn.ModuleList(SiglipLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=_EPS)

    def forward(self, images: Tensor) -> Tensor:
        """Encodes images.

        Args:
            images: Shape (N, 3, 224, 224), in [-1, 1].

        Returns:
            Tokens in rows from the top left, shape (N, T, width), in the dtype of the layers.
        """
        # Patches are cut in float32 also where the layers are bfloat16, as in training.
        patches = self.patch_embedding(images.to(self.patch_embedding.weight.dtype))
        tokens = patches.flatten(2).transpose(1, 2) + self.position_embedding
        tokens = tokens.to(self.norm.weight.dtype)
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens)
