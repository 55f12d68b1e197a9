"""Rig files, overrides and session options: wrong names are refused with the valid ones."""

from pathlib import Path

import pytest
import yaml

from tmrl_bringup.judging import judge
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import RigError, available, load, parse_overrides
from tmrl_bringup.rundir import prepare_run_dir


@pytest.mark.parametrize("name", available())
def test_every_rig_is_complete_once_its_examples_are_values(tmp_path: Path, name: str) -> None:
    rig = SessionOptions(run_dir=tmp_path).apply(load(name).with_examples())
    parts = select_parts(rig)
    judge(rig, parts)
    for spec in describe(rig, tmp_path, parts):
        assert spec.argv
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["rig"] == name


def test_unknown_rig_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(RigError, match=r"unknown rig widowx_simm; did you mean widowx_sim\?"):
        load("widowx_simm")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("controller.sigma_cap:=0.5", 0.5),
        ("driver.layout:=downstream", "downstream"),
        ("agent.lock_step:=false", False),
        ("controller.workspace_box:=[0, 1, 0, 1, 0, 1]", [0, 1, 0, 1, 0, 1]),
    ],
)
def test_overrides_are_read_as_in_ros(argument: str, value: object) -> None:
    (given,) = parse_overrides([argument]).values()
    assert given == value


@pytest.mark.parametrize("argument", ["controller.sigma_cap=0.5", ":=3", "nothing"])
def test_overrides_of_another_form_are_refused(argument: str) -> None:
    with pytest.raises(RigError, match="key:=value"):
        parse_overrides([argument])


def test_override_of_an_unknown_part_names_the_parts() -> None:
    with pytest.raises(RigError, match=r"did you mean controller\?"):
        load("widowx_sim").with_overrides({"controler.sigma_cap": 0.5})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "tmlr"}, r"unknown method tmlr; did you mean tmrl\?"),
        ({"label": "automatic"}, "unknown label mode automatic"),
        ({"max_episodes": -1}, "episodes is -1"),
    ],
)
def test_options_are_judged(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RigError, match=sentence):
        SessionOptions(run_dir=tmp_path, **changes)  # type: ignore[arg-type]


def test_unwritable_run_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RigError, match="cannot write to"):
        prepare_run_dir(file / "run")
