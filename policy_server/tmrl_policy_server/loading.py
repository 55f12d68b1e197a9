"""Finds out what kind of policy a checkpoint folder holds, and loads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmrl_common.config import build_config
from tmrl_common.errors import ConfigError
from tmrl_policies.base_policy import BasePolicy
from tmrl_policies.camera_served import load_served
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.weights_file import (
    FILE_NAME,
    Report,
    find_weights,
    has_weights,
    unreported,
)

FLOW_FILE = "policy.json"


def is_flow(folder: Path) -> bool:
    """Whether `folder` holds a small flow policy, judged by its files."""
    return (folder / FLOW_FILE).exists()


def is_pi0(folder: Path) -> bool:
    """Whether `folder` holds a pi0, judged by its files."""
    return not is_flow(folder) and has_weights(folder)


def load_policy(
    folder: Path,
    action_transform: str,
    pi0_settings: Mapping[str, Any],
    max_batch: int = 1,
    report: Report = unreported,
) -> BasePolicy[Any]:
    """Loads the policy in `folder`, whichever it is.

    Args:
        folder: Holds `policy.json` (a small flow policy) or `model.safetensors` (a pi0).
        action_transform: For a small flow policy.
        pi0_settings: For a pi0, values of `Pi0Settings` by name.
        max_batch: Most requests of one pass, for which a pi0 makes room.
        report: Called with the share of a pi0 that is loaded, in [0, 1], as it grows.

    Raises:
        CheckpointError: There is no policy, or it is damaged.
        ConfigError: Policy and settings do not fit each other.
    """
    if is_pi0(folder):
        # Only here: it imports the tokeniser and the image encoder, which nothing else needs.
        from tmrl_policies.pi0.policy import Pi0Policy

        return Pi0Policy.load(folder, build_config(Pi0Settings, pi0_settings), max_batch, report)
    if not (folder / FLOW_FILE).exists():
        raise _nothing_there(folder)
    if pi0_settings:
        names = ", ".join(pi0_settings)
        raise ConfigError(f"{names}: for a pi0 only, and {folder} holds a small policy; leave out")
    return load_served(folder, action_transform)


def _nothing_there(folder: Path) -> CheckpointError:
    """Why a folder holds neither kind, by what it holds instead."""
    sentence = f"there is no checkpoint at {folder}: neither {FLOW_FILE} nor {FILE_NAME} is in it"
    try:
        find_weights(folder)
    except CheckpointError as error:
        return CheckpointError(f"{sentence}; {error}")
    return CheckpointError(f"{sentence}; give the folder that holds one of the two")
