"""The sizes of a pi0, read off the shapes in its weights file."""

import dataclasses
from pathlib import Path

from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import (
    FULL,
    IMAGE_SIZE_PX,
    PI05_PROMPT_TOKENS,
    GemmaConfig,
    Pi0Config,
    SiglipConfig,
)
from tmrl_policies.pi0.weights import is_pi05, read_names
from tmrl_policies.pi0.weights_file import find_weights, open_weights

_SIGLIP_HEADS = {1152: 16}
"""Width -> heads; the heads of an image encoder cannot be seen in its shapes."""
_SMALL_SIGLIP_HEADS = 4


def read_sizes(path: Path, base: Pi0Config = FULL, siglip_heads: int | None = None) -> Pi0Config:
    """Finds the sizes of a network by its weights.

    Args:
        path: A weights file, or its folder.
        base: Where everything comes from that has no weights: horizon, prompt length (where `base`
            is of the other generation: 200 for pi0.5, else 48), Euler steps, context smoothing, its
            schedule and its normalisation.
        siglip_heads: Of the image encoder; None takes 16 for the usual width of 1152, else 4.

    Returns:
        The sizes, and whether it is a pi0.5. There is one key-value head, as in every pi0.

    Raises:
        CheckpointError: There is no such file, it is damaged, or it is not a pi0.
    """
    file = find_weights(path)
    with open_weights(file) as stored:
        found = read_names(stored, file)
        shapes = {name: stored.shape(theirs) for name, theirs in found.names.items()}
    try:
        return _config(shapes, base, siglip_heads)
    except KeyError as error:
        noted = "".join(f". Note: {note}" for note in found.notes)
        reason = f"it has no tensor for {error}{noted}"
    except (ValueError, IndexError, ZeroDivisionError):
        reason = "its tensors have shapes that no pi0 has"
    raise CheckpointError(f"{file} is not a pi0: {reason}")


def _config(shapes: dict[str, list[int]], base: Pi0Config, siglip_heads: int | None) -> Pi0Config:
    width, _, patch, _ = shapes["siglip.patch_embedding.weight"]
    if shapes["siglip.position_embedding"][0] != (IMAGE_SIZE_PX // patch) ** 2:
        raise CheckpointError(
            f"the image encoder has {shapes['siglip.position_embedding'][0]} positions; images of "
            f"{IMAGE_SIZE_PX} px in patches of {patch} need {(IMAGE_SIZE_PX // patch) ** 2}"
        )
    siglip = SiglipConfig(
        width=width,
        layers=_layers(shapes, "siglip"),
        heads=siglip_heads or _SIGLIP_HEADS.get(width, _SMALL_SIGLIP_HEADS),
        mlp=shapes["siglip.layers.0.fc1.weight"][0],
        patch_px=patch,
    )
    head_dim = shapes["prefix.layers.0.k_proj.weight"][0]
    pi05 = is_pi05(shapes)
    if pi05 != base.pi05:
        length = PI05_PROMPT_TOKENS if pi05 else FULL.prompt_tokens
        base = dataclasses.replace(base, pi05=pi05, prompt_tokens=length)
    return dataclasses.replace(
        base,
        siglip=siglip,
        prefix=_gemma(shapes, "prefix"),
        expert=_gemma(shapes, "expert"),
        layers=_layers(shapes, "prefix"),
        heads=shapes["prefix.layers.0.q_proj.weight"][0] // head_dim,
        kv_heads=1,
        head_dim=head_dim,
        vocabulary=shapes["token_embedding.weight"][0],
        action_dim=shapes["action_in_proj.weight"][1],
    )


def _gemma(shapes: dict[str, list[int]], stream: str) -> GemmaConfig:
    mlp, width = shapes[f"{stream}.layers.0.gate_proj.weight"]
    return GemmaConfig(width, mlp)


def _layers(shapes: dict[str, list[int]], tree: str) -> int:
    start = f"{tree}.layers."
    numbers = {name.removeprefix(start).split(".")[0] for name in shapes if name.startswith(start)}
    return len(numbers)
