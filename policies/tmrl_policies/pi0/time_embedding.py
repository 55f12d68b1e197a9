"""How pi0 embeds times: sines and cosines of periods between 4e-3 and 4."""

import math

import torch
from torch import Tensor

_SHORTEST = 4e-3
_LONGEST = 4.0


def embed_time(time: Tensor, width: int) -> Tensor:
    """Embeds times in [0, 1].

    Args:
        time: Shape (B,).
        width: Of the embedding, even.

    Returns:
        Sines, then cosines, shape (B, width), float32.
    """
    fraction = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float64, device=time.device)
    period = _SHORTEST * (_LONGEST / _SHORTEST) ** fraction
    angle = time[:, None].double() * (2.0 * math.pi / period)
    return torch.cat((angle.sin(), angle.cos()), dim=-1).float()


def embed_times(flow_time: Tensor, sigma: Tensor | None, width: int) -> Tensor:
    """Embeds the flow time, and the context time beside it where there is one.

    CSP-pi0 gives each of the two half of the width that plain pi0 gives to the flow time alone.

    Args:
        flow_time: Shape (B,).
        sigma: Context time, shape (B,); None for plain pi0.
        width: Of the whole embedding.

    Returns:
        Shape (B, width), float32.
    """
    if sigma is None:
        return embed_time(flow_time, width)
    halves = (embed_time(flow_time, width // 2), embed_time(sigma, width // 2))
    return torch.cat(halves, dim=-1)
