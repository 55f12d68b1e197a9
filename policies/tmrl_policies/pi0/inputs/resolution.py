"""What a served pi0 runs with: its settings joined with what the checkpoint says of itself."""

import dataclasses
from pathlib import Path

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.config import KINDS, Pi0Config
from tmrl_policies.pi0.inputs.record import Pi0Record, read_record
from tmrl_policies.pi0.inputs.rigs import RIGS, Rig, rig_named, scale_named, usual_scale
from tmrl_policies.pi0.inputs.settings import Pi0Settings
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
        "kind": record.config.kind,
        "prefix_norm": "rms" if record.config.prefix_rms else "none",
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
    sizes = _sizes(folder, settings.kind)
    config = dataclasses.replace(
        sizes,
        horizon=settings.horizon or rig.chunk_length(sizes),
        context_smoothing=KINDS[settings.kind]["context_smoothing"],
        prefix_rms=_prefix_rms(folder, settings, rig),
    )
    scale = scale_named(settings.scale) if settings.scale else usual_scale(config)
    return Pi0Record(rig, scale, config, settings.asset_id)


def _sizes(folder: Path, kind: str) -> Pi0Config:
    """The sizes of weights that are of the generation that the setting says."""
    sizes = read_sizes(folder)
    if sizes.pi05 != KINDS[kind]["pi05"]:
        fitting = " or ".join(f"'{name}'" for name, of in KINDS.items() if of["pi05"] == sizes.pi05)
        raise ConfigError(
            f"setting kind is '{kind}', and the weights in {folder} are of "
            f"{'pi0.5' if sizes.pi05 else 'pi0'}, as their tensors show; give {fitting}"
        )
    return sizes


def _prefix_rms(folder: Path, settings: Pi0Settings, rig: Rig) -> bool:
    """Whether the prefix is normalised, which no tensor shows; the rig may."""
    if not KINDS[settings.kind]["context_smoothing"]:
        if settings.prefix_norm == "rms":
            raise ConfigError(
                f"setting prefix_norm is 'rms', and kind '{settings.kind}' is not "
                "context-smoothed: its prefix is never normalised; leave prefix_norm out"
            )
        return False
    if settings.prefix_norm:
        return settings.prefix_norm == "rms"
    if rig.implies_prefix_rms:
        return True
    raise ConfigError(
        f"the checkpoint in {folder} has no pi0.json, and nothing shows whether its prefix is "
        "normalised, so the setting 'prefix_norm' must say it: 'rms' for weights of the authors' "
        "JAX code since April 2026, 'none' for older ones and for those of their PyTorch code"
    )
