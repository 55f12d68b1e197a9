"""Saving and loading a :class:`KeypointEncoder`, beside the policy that looks through it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tmrl_policies.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_tensors_into,
    save_checkpoint,
)
from tmrl_policies.flow_checkpoint import LoadedPolicy
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder

_KIND = "keypoint_encoder"
_STEM = "encoder"


class LoadedEncoder(NamedTuple):
    """An encoder from a checkpoint.

    Attributes:
        encoder: In evaluation mode, without gradients, on the CPU.
        sha256: Of its tensors file, hexadecimal.
        training: How it was made, as given to :func:`save_encoder`.
    """

    encoder: KeypointEncoder
    sha256: str
    training: dict[str, Any]


def save_encoder(folder: Path, encoder: KeypointEncoder, training: Mapping[str, Any]) -> str:
    """Writes ``encoder.safetensors`` and ``encoder.json`` into ``folder``.

    Args:
        folder: Created if absent.
        encoder: The encoder to save.
        training: JSON-able account of how it was made.

    Returns:
        SHA-256 of the tensors file, hexadecimal: the policy's record names it.
    """
    metadata = {"config": dataclasses.asdict(encoder.config), "training": dict(training)}
    return save_checkpoint(folder / _STEM, _KIND, encoder.state_dict(), metadata)


def load_encoder(folder: Path) -> LoadedEncoder:
    """Reads the encoder in ``folder``.

    Raises:
        CheckpointError: The checkpoint is absent, damaged or of another version.
    """
    checkpoint = load_checkpoint(folder / _STEM, _KIND)
    encoder = KeypointEncoder(_config_from(checkpoint.metadata["config"], folder))
    load_tensors_into(encoder, checkpoint.tensors)
    encoder.eval().requires_grad_(requires_grad=False)
    return LoadedEncoder(encoder, checkpoint.sha256, checkpoint.metadata["training"])


def load_encoder_of(folder: Path, loaded: LoadedPolicy) -> KeypointEncoder:
    """Reads the encoder in ``folder`` that a policy was trained with.

    Args:
        folder: Of the policy's checkpoint.
        loaded: The policy; its record names an encoder.

    Raises:
        CheckpointError: There is no encoder, it is damaged, or it is another one.
    """
    found = load_encoder(folder)
    if found.sha256 != loaded.encoder_sha256:
        raise CheckpointError(
            f"the encoder in {folder} is {found.sha256[:12]}, and the policy beside it was trained "
            f"with {loaded.encoder_sha256[:12]}: its numbers mean something else. Copy the whole "
            "folder again, or pre-train both again"
        )
    tokens, context = found.encoder.config.token_dim, loaded.policy.config.context_dim
    if tokens != context:
        raise CheckpointError(
            f"the encoder in {folder} makes {tokens} numbers, and the policy beside it takes "
            f"{context}: they do not belong together. Pre-train both again"
        )
    return found.encoder


def _config_from(values: Mapping[str, Any], folder: Path) -> KeypointConfig:
    try:
        others = {name: value for name, value in values.items() if name != "cameras"}
        return KeypointConfig(tuple(values["cameras"]), **others)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"the encoder in {folder} has a bad configuration: {error}"
        ) from error
