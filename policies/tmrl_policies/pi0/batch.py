"""Observations as the network takes them."""

from typing import NamedTuple

from torch import Tensor


class Pi0Batch(NamedTuple):
    """B prepared observations, on one device.

    Attributes:
        images: Shape (B, 3 slots, 3, 224, 224), float32 in [-1, 1], in the order of
            `CAMERA_SLOTS`; a slot without a camera holds anything finite.
        image_mask: Whether a slot has a camera, shape (B, 3), bool.
        tokens: Language tokens, shape (B, L), int64; padded at the end.
        token_mask: Whether a language token is none of the padding, shape (B, L), bool.
        state: Normalised robot state, padded with zeros, shape (B, action_dim), float32.
    """

    images: Tensor
    image_mask: Tensor
    tokens: Tensor
    token_mask: Tensor
    state: Tensor
