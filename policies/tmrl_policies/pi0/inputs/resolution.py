"""What a served pi0 runs with: its settings joined with what the checkpoint says of itself."""

import dataclasses
from pathlib import Path

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.inputs.record import Pi0Record, read_record
from tmrl_policies.pi0.inputs.rigs import RIGS, rig_named, scale_named
from tmrl_policies.pi0.inputs.settings import KINDS, Pi0Settings
from tmrl_policies.pi0.sizes import read_sizes


def resolve(folder: Path, settings: Pi0Settings) -> Pi0Record:
    """What to run: from the checkpoint's own record, or from the settings where it has none.

    Raises:
        ConfigError: A needed setting is missing, or contradicts the record.
        CheckpointError: The record is damaged, or there are no weights.
    """
    record = read_record(folder)
    if record is None:
        return _from_settings(folder, settings)
    recorded: dict[str, object] = {
        "rig": record.rig.name,
        "kind": "cspi0" if record.config.context_smoothing else "pi0",
        "horizon": record.config.horizon,
        "scale": str(record.scale),
    }
    for name, value in recorded.items():
        given = getattr(settings, name)
        if given and given != value:
            raise ConfigError(
                f"setting {name} is '{given}', the checkpoint in {folder} was trained with "
                f"'{value}'; leave the setting out"
            )
    return dataclasses.replace(record, asset_id=settings.asset_id or record.asset_id)


def _from_settings(folder: Path, settings: Pi0Settings) -> Pi0Record:
    for name, valid in (("rig", list(RIGS)), ("kind", list(KINDS))):
        if not getattr(settings, name):
            raise ConfigError(
                f"the checkpoint in {folder} has no pi0.json, so the setting '{name}' must say "
                f"how it was trained. Valid: {', '.join(valid)}"
            )
    rig = rig_named(settings.rig)
    config = dataclasses.replace(
        read_sizes(folder),
        horizon=settings.horizon or rig.horizon,
        context_smoothing=settings.kind == "cspi0",
    )
    scale = scale_named(settings.scale) if settings.scale else rig.scale
    return Pi0Record(rig, scale, config, settings.asset_id)
