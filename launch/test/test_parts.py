"""The registry of parts: each one is complete, and a rig takes no part that is not in it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

import tmrl_bringup.parts
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.parts import PARTS, part_of
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import RigError, available, load
from tmrl_bringup.up import propose, resolve


def written(path: Path, name: str, **changes: Any) -> str:
    content = load(name).with_examples().as_dict() | changes
    del content["rig"]
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_every_module_of_the_registry_is_registered() -> None:
    modules = {path.stem for path in Path(tmrl_bringup.parts.__path__[0]).glob("*.py")}
    assert modules - {"__init__", "part"} == set(PARTS)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_names_configuration_classes_that_exist(name: str) -> None:
    assert all(map(dataclasses.is_dataclass, part_of(name).classes()))


@pytest.mark.parametrize("name", available())
def test_every_node_of_a_rig_has_an_executable(tmp_path: Path, name: str) -> None:
    rig = SessionOptions(run_dir=tmp_path).apply(load(name).with_examples())
    for spec in describe(rig, tmp_path, select_parts(rig)):
        assert Path(spec.argv[0]).is_file()


def test_an_arm_has_longer_to_brake_than_the_others_to_end(tmp_path: Path) -> None:
    rig = SessionOptions(run_dir=tmp_path).apply(load("widowx").with_examples())
    graces_s = {spec.name: spec.stop_grace_s for spec in describe(rig, tmp_path)}
    assert graces_s.pop("arm") == 10.0
    assert max(graces_s.values()) < 10.0


@pytest.mark.parametrize(
    ("name", "part", "sentence"),
    [
        ("widowx", "controler", r"no such part or key; did you mean controller\?"),
        ("widowx", "driver", "a hardware rig has no such part; .*valid: robot, simulated, arm"),
        ("widowx_sim", "cameras", "a simulated rig has no such part"),
    ],
)
def test_a_part_that_the_rig_cannot_have_is_refused(
    tmp_path: Path, name: str, part: str, sentence: str
) -> None:
    with pytest.raises(RigError, match=sentence):
        load(written(tmp_path / "own.yaml", name, **{part: {}}))


def test_a_file_that_lacks_a_part_is_refused_by_name(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "own.yaml", "widowx"))
    content = yaml.safe_load(path.read_text())
    del content["agent"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RigError, match="lacks agent"):
        load(str(path))


def test_an_optional_part_may_be_left_out(tmp_path: Path) -> None:
    path = Path(written(tmp_path / "own.yaml", "widowx"))
    content = yaml.safe_load(path.read_text())
    del content["recorder"]
    path.write_text(yaml.safe_dump(content))
    assert "recorder" not in select_parts(load(str(path)))


def test_an_override_adds_an_optional_part(tmp_path: Path) -> None:
    keys = {"run_dir": str(tmp_path), "recorder.images": "none"}
    session = resolve("widowx_sim", keys)
    assert "recorder" in session.parts
    assert session.rig.parts["recorder"] == {
        "robot": "widowx",
        "images": "none",
        "session": tmp_path.name,
        "run_dir": str(tmp_path),
    }
    assert "recorder" not in resolve("widowx_sim", {"run_dir": str(tmp_path)}).parts
    with pytest.raises(RigError, match="unknown; did you mean images"):
        resolve("widowx_sim", {**keys, "recorder.image": "none"})


def test_the_base_policy_runs_without_a_learner(tmp_path: Path) -> None:
    keys = {"method": "base", "run_dir": str(tmp_path)}
    alone = propose("widowx_sim", {**keys, "parts": "robot"}).rig.parts
    assert alone["agent"]["unknown_learner_source"] == "base"
    assert alone["operator"]["wait_for_learner"] is False
    assert propose("widowx_sim", keys).rig.parts["operator"]["wait_for_learner"] is True
