"""Chunks whose first rows are known: what the arm executes anyway while the policy thinks.

A chunk that continues a running one is sampled as the rest of a picture is: at every Euler step
the known rows are put where the straight path from their noise to them lies at that flow time, and
the network makes the other rows go with them. It costs nothing beside the plain way.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Committed(NamedTuple):
    """The known rows of B chunks, as the network takes actions.

    Attributes:
        actions: Normalised, shape (B, d, A); what stands there for a chunk without them is unread.
        there: Which chunks have them, shape (B,), bool.
    """

    actions: Tensor
    there: Tensor


def inpaint(x: Tensor, noise: Tensor, time: float, known: Committed | None) -> Tensor:
    """Puts the known rows on their path.

    Args:
        x: Chunks at this flow time, shape (B, H, A).
        noise: What they were at flow time 1, shape (B, H, A).
        time: Flow time: 1 is noise, 0 is an action, at which the known rows come out exactly.
        known: Shape (B, d, A) of its actions, d at most H; None leaves all as it is.

    Returns:
        Shape (B, H, A).
    """
    if known is None:
        return x
    rows = known.actions.shape[1]
    path = (1.0 - time) * known.actions + time * noise[:, :rows]
    first = torch.where(known.there[:, None, None], path, x[:, :rows])
    return torch.cat((first, x[:, rows:]), dim=1)


def overlap_dim(overlap_steps: int, columns: int) -> int:
    """Length of what `overlap_features` returns: d x A and one more, or 0 without an overlap."""
    return overlap_steps * columns + 1 if overlap_steps else 0


def overlap_features(committed: Tensor | None, overlap_steps: int, columns: int) -> Tensor:
    """What the steering actor and the critics see of the actions that are executed anyway.

    Args:
        committed: Normalised, shape (d, A); None where the arm stands: zeros then.
        overlap_steps: d; 0 where chunks never overlap.
        columns: A.

    Returns:
        The rows one after the other, then 1 where there are some and 0 where there are none: shape
        (d * A + 1,), or (0,) without an overlap.
    """
    features = torch.zeros(overlap_dim(overlap_steps, columns))
    if committed is not None and overlap_steps:
        features[:-1], features[-1] = committed.flatten(), 1.0
    return features
