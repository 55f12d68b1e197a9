"""Saving and loading a :class:`FlowPolicy` with its configuration and statistics."""

import dataclasses
import difflib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from tmrl_policies.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_tensors_into,
    save_checkpoint,
)
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

_KIND = "flow_policy"
_STEM = "policy"
_NETWORK_LAYERS = ("chunk_in.", "blocks.", "chunk_out.")


class LoadedPolicy(NamedTuple):
    """A policy from a checkpoint.

    Attributes:
        policy: In evaluation mode, without gradients, on the CPU.
        version: SHA-256 of its tensors file, hexadecimal; with an encoder, of both hashes.
        training: How it was made, as given to :func:`save_flow_policy`.
        encoder_sha256: Of the tensors of the encoder whose tokens are its context; empty where the
            context comes from elsewhere.
    """

    policy: FlowPolicy
    version: str
    training: dict[str, Any]
    encoder_sha256: str = ""


def save_flow_policy(
    folder: Path, policy: FlowPolicy, training: Mapping[str, Any], encoder_sha256: str = ""
) -> str:
    """Writes ``policy.safetensors`` and ``policy.json`` into ``folder``.

    Args:
        folder: Created if absent.
        policy: The policy to save.
        training: JSON-able account of how it was made.
        encoder_sha256: Hash of the encoder that it was trained with, from
            `tmrl_policies.keypoint_checkpoint.save_encoder`; empty for none.

    Returns:
        The policy's version, as of :class:`LoadedPolicy`.
    """
    metadata = {
        "config": dataclasses.asdict(policy.config),
        "statistics_hash": policy.statistics_hash(),
        "training": dict(training),
    }
    if encoder_sha256:
        metadata["encoder_sha256"] = encoder_sha256
    sha256 = save_checkpoint(folder / _STEM, _KIND, policy.state_dict(), metadata)
    return _version(sha256, encoder_sha256)


def load_flow_policy(folder: Path) -> LoadedPolicy:
    """Reads the policy in ``folder``.

    Raises:
        CheckpointError: The checkpoint is absent, damaged, of another version, or its parts do
            not belong together.
    """
    checkpoint = load_checkpoint(folder / _STEM, _KIND)
    policy = FlowPolicy(_config_from(checkpoint.metadata["config"], folder))
    load_tensors_into(policy, _with_current_names(checkpoint.tensors))
    if policy.statistics_hash() != checkpoint.metadata["statistics_hash"]:
        raise CheckpointError(
            f"the normalisation statistics of the policy in {folder} are not those its record "
            "names: the two files do not belong together"
        )
    policy.eval().requires_grad_(requires_grad=False)
    encoder = str(checkpoint.metadata.get("encoder_sha256", ""))
    version = _version(checkpoint.sha256, encoder)
    return LoadedPolicy(policy, version, checkpoint.metadata["training"], encoder)


def _version(sha256: str, encoder_sha256: str) -> str:
    """Hash over all tensors that decide what the policy does."""
    if not encoder_sha256:
        return sha256
    return hashlib.sha256(f"{sha256} {encoder_sha256}".encode()).hexdigest()


def _with_current_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first policies had one kind of network, and its layers no prefix."""
    return {
        f"network.{name}" if name.startswith(_NETWORK_LAYERS) else name: tensor
        for name, tensor in tensors.items()
    }


def _config_from(values: Mapping[str, Any], folder: Path) -> FlowPolicyConfig:
    known = [field.name for field in dataclasses.fields(FlowPolicyConfig)]
    for name in values:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise CheckpointError(
                f"the policy in {folder} has an unknown setting '{name}' (nearest known: "
                f"'{nearest}'); it was written by newer software"
            )
    try:
        return FlowPolicyConfig(**values)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the policy in {folder} has a bad configuration: {error}") from error
