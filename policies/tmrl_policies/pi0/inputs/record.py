"""`pi0.json`: what a checkpoint of ours says about itself, beside openpi's own files."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tmrl_common.config import build_config
from tmrl_common.errors import ConfigError
from tmrl_common.json_object import is_json_object
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import GemmaConfig, Pi0Config, SiglipConfig
from tmrl_policies.pi0.inputs.rigs import Rig, Scale, rig_named, scale_named

_FILE_NAME = "pi0.json"
_FORMAT_VERSION = 1
_PARTS = {"siglip": SiglipConfig, "prefix": GemmaConfig, "expert": GemmaConfig}


@dataclass(frozen=True)
class Pi0Record:
    """How to run a checkpoint.

    Attributes:
        rig: Convention of observations and actions.
        scale: How state and actions are scaled.
        asset_id: Under which name the statistics lie; empty where there is only one.
        config: Sizes and kind of the network, and the horizon.
        training: JSON-able account of how it was made.
    """

    rig: Rig
    scale: Scale
    config: Pi0Config
    asset_id: str = ""
    training: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write_record(folder: Path, record: Pi0Record) -> None:
    """Writes `pi0.json` into a checkpoint folder, which is made if absent."""
    content = {
        "format_version": _FORMAT_VERSION,
        "rig": record.rig.name,
        "scale": str(record.scale),
        "asset_id": record.asset_id,
        "config": dataclasses.asdict(record.config),
        "training": dict(record.training),
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    temporary = folder / (_FILE_NAME + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / _FILE_NAME)


def read_record(folder: Path) -> Pi0Record | None:
    """Reads `pi0.json`; None where a checkpoint of others has none.

    Raises:
        CheckpointError: It is damaged, of another version, or holds something unknown.
    """
    path = folder / _FILE_NAME
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}; copy it again") from error
    if not is_json_object(content) or content.get("format_version") != _FORMAT_VERSION:
        raise CheckpointError(
            f"{path} is not of format version {_FORMAT_VERSION}; it was written by other software"
        )
    try:
        return Pi0Record(
            rig=rig_named(content["rig"]),
            scale=scale_named(content["scale"]),
            config=_config_from(content["config"]),
            asset_id=str(content["asset_id"]),
            training=content["training"],
        )
    except KeyError as error:
        raise CheckpointError(f"{path} does not say {error}; it is not whole") from error
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _config_from(values: Mapping[str, Any]) -> Pi0Config:
    parts = {name: build_config(part, values[name]) for name, part in _PARTS.items()}
    return build_config(Pi0Config, {**values, **parts})
