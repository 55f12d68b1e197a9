"""Every field of every configuration class: from file and override into a node, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tmrl_bringup.link import ServerLink
from tmrl_bringup.parameter_files import parameter_file
from tmrl_bringup.parts import CAMERAS, SERVER
from tmrl_bringup.processes import SERVER_PATHS, server_argv
from tmrl_bringup.rig import Rig, RigError, load, parse_overrides
from tmrl_bringup.rig_checks import impossible_values, node_parameters, sections_of
from tmrl_common.constraints import read_fields
from tmrl_ros.testing import parameters_in_a_node

from .every_setting import Setting, every_setting

SETTINGS = every_setting()
RIGS = ("widowx", "widowx_sim")
SHIPPED = {name: load(name).with_examples() for name in RIGS}
_WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A hundred settings at once shrink for minutes, and the comparison names those that differ."""
OF_ROS = ("use_sim_time", "start_type_description_service")


def rig_with(setting: Setting) -> Rig:
    """A shipped rig that has the setting's part."""
    part = setting.path.removesuffix(f".{setting.name}")
    rig = SHIPPED["widowx_sim" if part == "driver" else "widowx"]
    if part.startswith("arm."):
        return rig.with_overrides({"arm.driver": part.removeprefix("arm.")})
    return rig


def problems(rig: Rig, setting: Setting) -> str:
    """What the rig's check has against the setting's part."""
    return "\n".join(impossible_values(sections_of(rig, [part_of(rig, setting)])))


def part_of(rig: Rig, setting: Setting) -> str:
    """The part in which a setting is."""
    return next(part for part in rig.parts if setting.path.startswith(f"{part}."))


def handed_over(rig: Rig, setting: Setting) -> Any:
    """What the setting's process is started with."""
    part = part_of(rig, setting)
    if part != SERVER:
        return values_by_name(node_parameters(rig, part))[setting.path.removeprefix(f"{part}.")]
    if setting.config_class is ServerLink or setting.name in SERVER_PATHS:
        return rig.parts[SERVER][setting.name]
    option = f"--{setting.name.replace('_', '-')}="
    (text,) = [word for word in server_argv(rig) if word.startswith(option)]
    read, _ = read_fields(setting.config_class, {setting.name: text.removeprefix(option)})
    return read[setting.name]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
@given(data=st.data())
@settings(max_examples=5)
def test_a_right_value_is_the_same_from_file_and_from_override(
    setting: Setting, data: st.DataObject
) -> None:
    value = data.draw(setting.right())
    written = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    read = parse_overrides([f"{setting.path}:={written}"])
    rig = rig_with(setting).with_overrides(read)
    said = problems(rig, setting)
    # Fields may contradict each other; each by itself is taken.
    assert f"{setting.path} is" not in said
    assert f"{setting.path}[" not in said
    assert plain(handed_over(rig, setting)) == plain(value)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
@given(data=st.data())
@settings(max_examples=8)
def test_a_wrong_value_is_refused_by_key_value_and_remedy(
    setting: Setting, data: st.DataObject
) -> None:
    value = data.draw(setting.wrong())
    rig = rig_with(setting).with_overrides({setting.path: value})
    said = problems(rig, setting)
    (line,) = [line for line in said.splitlines() if line.startswith(f"  {setting.path}")]
    key, _, sentence = line.partition(" is ")
    assert key.strip().partition("[")[0] == setting.path
    assert "; " in sentence
    assert sentence.rpartition("; ")[2]
    if (part := part_of(rig, setting)) != SERVER:
        with pytest.raises(RigError, match="cannot work"):
            node_parameters(rig, part)


def of_rig(rig: Rig) -> list[Setting]:
    """The settings of a rig's nodes."""
    ours = [setting for setting in SETTINGS if not setting.path.startswith(SERVER)]
    arm = f"arm.{rig.parts.get('arm', {}).get('driver')}."
    return [
        setting
        for setting in ours
        if any(setting.path.startswith(f"{part}.") for part in rig.parts)
        and (setting.path.count(".") == 1 or setting.path.startswith((arm, CAMERAS)))
        and setting.path != "arm.driver"
    ]


def values_of(rig: Rig) -> st.SearchStrategy[Mapping[str, Any]]:
    """A right value for every setting of a rig's nodes."""
    return st.fixed_dictionaries({each.path: each.right() for each in of_rig(rig)})


def through_ros(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Parameters as a node has them that was started with a file of them."""
    file = folder / "parameters.yaml"
    file.write_text(parameter_file(dict(parameters)), encoding="utf-8")
    read = parameters_in_a_node(file)
    return {name: plain(value) for name, value in read.items() if name not in OF_ROS}


def plain(value: Any) -> Any:
    """A value with its type, as 1.0 and 1 are equal; arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | int | float):
        return (type(value).__name__, value)
    return [plain(each) for each in value]


def values_by_name(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parameters of groups under their full names."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= values_by_name(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


@pytest.mark.ros
@pytest.mark.parametrize("name", RIGS)
def test_all_values_of_a_rig_arrive_in_the_nodes_unchanged(
    name: str, tmp_path: Path, ros_domain_id: int
) -> None:
    shipped = SHIPPED[name]

    @given(values_of(shipped))
    @settings(max_examples=10, phases=_WITHOUT_SHRINKING, suppress_health_check=[*HealthCheck])
    def check(values: Mapping[str, Any]) -> None:
        file = tmp_path / "rig.yaml"
        content = shipped.with_overrides(values).as_dict()
        content.pop("rig")
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        rig = load(str(file))
        nodes = {part: node_parameters(rig, part) for part in rig.parts if part != SERVER}
        wanted = {path: plain(value) for path, value in values.items()}
        read = through_ros(nodes, tmp_path)
        assert {path: read[path] for path in values} == wanted
        assert read == {path: plain(value) for path, value in values_by_name(nodes).items()}

    check()
