"""pi0 or pi0.5, smoothed or not, normalised or not: what is known of weights, and who says it."""

from dataclasses import replace
from pathlib import Path

import pytest

from tmrl_common.errors import ConfigError
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.config import FULL, FULL_PI05, KINDS, TINY, TINY_PI05, Pi0Config
from tmrl_policies.pi0.inputs.record import read_record
from tmrl_policies.pi0.inputs.resolution import resolve
from tmrl_policies.pi0.inputs.rigs import (
    BRIDGE,
    CSPI0_BRIDGE_RELATIVE,
    DROID,
    LIBERO,
    LIBERO_RELATIVE,
    Rig,
    Scale,
)
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import edit_json, write_checkpoint

SMALL = replace(TINY, layers=1, siglip=replace(TINY.siglip, layers=1, patch_px=112))


def settings(rig: Rig | None = None, kind: str = "", prefix_norm: str = "") -> Pi0Settings:
    return Pi0Settings(dino="none", rig=rig.name if rig else "", kind=kind, prefix_norm=prefix_norm)


@pytest.fixture(scope="module")
def of_others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pi0 of random weights without a record."""
    folder = tmp_path_factory.mktemp("others")
    write_checkpoint(folder, BRIDGE, SMALL)
    (folder / "pi0.json").unlink()
    return folder


def test_every_kind_has_a_name_of_its_own():
    assert list(KINDS) == ["cspi0", "pi0", "cspi05", "pi05"]
    assert FULL.kind == "cspi0"
    assert FULL_PI05.kind == "cspi05"
    for name, fields in KINDS.items():
        assert Pi0Config(**fields).kind == name


def test_a_record_says_whether_the_prefix_is_normalised(tmp_path):
    write_checkpoint(tmp_path, BRIDGE, replace(SMALL, prefix_rms=True))
    assert resolve(tmp_path, settings()).config.prefix_rms
    assert resolve(tmp_path, settings(prefix_norm="rms")).config.prefix_rms
    with pytest.raises(ConfigError, match=r"prefix_norm is 'none', the checkpoint .* with 'rms'"):
        resolve(tmp_path, settings(prefix_norm="none"))


def test_a_record_of_version_0_2_is_of_weights_that_were_not_normalised(tmp_path):
    write_checkpoint(tmp_path, CSPI0_BRIDGE_RELATIVE, SMALL)
    record = tmp_path / "pi0.json"
    text = record.read_text(encoding="utf-8")
    for field in ('"pi05": false,', '"prefix_rms": false,'):
        assert field in text
        text = text.replace(field, "")
    record.write_text(text, encoding="utf-8")
    config = resolve(tmp_path, settings()).config
    assert (config.kind, config.prefix_rms) == ("cspi0", False)
    with pytest.raises(ConfigError, match=r"prefix_norm is 'rms', the checkpoint .* with 'none'"):
        resolve(tmp_path, settings(prefix_norm="rms"))


@pytest.mark.parametrize(
    ("rig", "kind", "said", "normalised"),
    [
        (CSPI0_BRIDGE_RELATIVE, "cspi0", "", True),
        (CSPI0_BRIDGE_RELATIVE, "cspi0", "none", False),
        (BRIDGE, "cspi0", "rms", True),
        (BRIDGE, "cspi0", "none", False),
        (DROID, "pi0", "", False),
    ],
)
def test_without_a_record_the_setting_says_it_or_the_rig_whose_actions_became_relative_with_it(
    of_others, rig, kind, said, normalised
):
    assert resolve(of_others, settings(rig, kind, said)).config.prefix_rms == normalised


@pytest.mark.parametrize("rig", [BRIDGE, LIBERO_RELATIVE], ids=lambda rig: rig.name)
def test_smoothed_weights_about_which_nothing_is_said_are_refused(of_others, rig):
    with pytest.raises(ConfigError, match=r"'prefix_norm' must say it: 'rms' for .* 'none' for"):
        resolve(of_others, settings(rig, "cspi0"))


def test_plain_weights_have_no_prefix_to_normalise(of_others, tmp_path):
    with pytest.raises(ConfigError, match="kind 'pi0' is not context-smoothed"):
        resolve(of_others, settings(BRIDGE, "pi0", "rms"))
    write_checkpoint(tmp_path, BRIDGE, replace(SMALL, prefix_rms=True))
    edit_json(tmp_path / "pi0.json", "config", "context_smoothing", value=False)
    with pytest.raises(CheckpointError, match="prefix_rms is true and context_smoothing false"):
        read_record(tmp_path)


@pytest.mark.parametrize("kind", ["pi05", "cspi05"])
def test_a_pi0_called_a_pi05_is_refused_with_what_it_may_be(of_others, kind):
    with pytest.raises(ConfigError, match=f"'{kind}', .* are of pi0, .*'cspi0' or 'pi0'"):
        resolve(of_others, settings(DROID, kind))


def test_an_unknown_way_to_normalise_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="prefix_norm is 'raw'; valid: none, rms"):
        settings(prefix_norm="raw")


@pytest.mark.parametrize(("rig", "horizon"), [(DROID, 15), (LIBERO, 10)], ids=["droid", "libero"])
def test_a_pi05_of_others_has_its_own_lengths_and_is_scaled_by_quantiles(tmp_path, rig, horizon):
    write_checkpoint(tmp_path, rig, replace(TINY_PI05, layers=1))
    (tmp_path / "pi0.json").unlink()
    record = resolve(tmp_path, settings(rig, "pi05"))
    assert record.config.kind == "pi05"
    assert (record.config.prompt_tokens, record.config.horizon) == (200, horizon)
    assert record.scale is Scale.QUANTILE
    said = replace(settings(rig, "pi05"), scale="mean_std", horizon=16)
    assert resolve(tmp_path, said).scale is Scale.MEAN_STD
    assert resolve(tmp_path, said).config.horizon == 16


def test_a_pi0_of_others_is_scaled_by_mean_and_deviation(of_others):
    record = resolve(of_others, settings(DROID, "pi0"))
    assert (record.config.prompt_tokens, record.config.horizon) == (48, 10)
    assert record.scale is Scale.MEAN_STD
