"""Writes the parameter reference from the configuration classes: `docs/reference/parameters.md`.

./tmrl run python -m tmrl_cli.parameter_reference           write the page
./tmrl run python -m tmrl_cli.parameter_reference --check   say whether it is up to date
"""

import argparse
import dataclasses
import importlib
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from tmrl_common.config import attribute_texts
from tmrl_common.constraints import constraints_of, live_fields

_INTRODUCTION = """# Parameters

Generated from the configuration classes by `./tmrl run python -m tmrl_cli.parameter_reference`;
do not edit it by hand. In a rig's file a parameter stands under its part; on the command line of
`./tmrl up` and `ros2 launch` it is `part.key:=value`. A running node shows the same names, ranges
and descriptions: `ros2 param describe /widowx/controller sigma_cap`.

Parameters are fixed while a node runs, except those marked *live*. One without a default must be
given.
"""


@dataclass(frozen=True)
class Section:
    """A table of the page.

    Attributes:
        path: What stands before a key: the part, and the group within it where there is one.
        config: `module:class` of the configuration.
    """

    path: str
    config: str


SECTIONS = (
    Section("controller", "tmrl_controller.config:ControllerConfig"),
    Section("agent", "tmrl_agent.params:AgentConfig"),
    Section("operator", "tmrl_operator.params:OperatorConfig"),
    Section("console", "tmrl_console.params:ConsoleConfig"),
    Section("arm", "tmrl_arm.params:ArmConfig"),
    Section("arm.interbotix", "tmrl_arm.interbotix.config:InterbotixConfig"),
    Section("arm.franky", "tmrl_arm.franka.franky_config:FrankyConfig"),
    Section("arm.loopback", "tmrl_arm.loopback:LoopbackConfig"),
    Section("cameras.NAME", "tmrl_camera.params:CameraConfig"),
    Section("driver", "tmrl_sim.params:SimConfig"),
    Section("uplink", "tmrl_learning.uplink_config:UplinkConfig"),
    Section("recorder", "tmrl_recorder.params:RecorderConfig"),
    Section("success_head", "tmrl_success.params:SuccessHeadConfig"),
    Section("teleop", "tmrl_teleop.params:TeleopConfig"),
    Section("learning", "tmrl_learner.run_config:RunConfig"),
)


def page() -> str:
    """Returns the whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(table(section) for section in SECTIONS)])


def table(section: Section) -> str:
    """Returns one part's heading and table."""
    module, _, name = section.config.partition(":")
    config: Any = getattr(importlib.import_module(module), name)
    texts, hints, live = attribute_texts(config), get_type_hints(config), live_fields(config)
    limits = constraints_of(config)
    rows = [
        f"## `{section.path}`",
        "",
        "| key | type | default | valid | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for field in dataclasses.fields(config):
        valid = "; ".join(constraint.text for constraint in limits[field.name])
        if field.name in live:
            valid += "; *live*, only downwards" if live[field.name].lower_only else "; *live*"
        cells = (
            f"`{field.name}`",
            _type_name(hints[field.name]),
            _default(field),
            valid,
            texts.get(field.name, ""),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*rows, ""])


def _type_name(hint: Any) -> str:
    return f"{get_args(hint)[0].__name__} list" if get_origin(hint) is tuple else hint.__name__


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is MISSING:
        return "must be given"
    match field.default:
        case (*elements,):
            return f"`[{', '.join(map(_shown, elements))}]`"
        case scalar:
            return f"`{_shown(scalar)}`"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def main() -> int:
    """Writes or checks the page.

    Returns:
        Exit code: 1 where the page is not up to date.
    """
    parser = argparse.ArgumentParser(prog="tmrl_cli.parameter_reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    checking = parser.parse_args().check
    path = reference_file()
    if checking:
        return 0 if path.exists() and path.read_text(encoding="utf-8") == page() else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(), encoding="utf-8")
    return 0


def reference_file() -> Path:
    """Returns where the page lies in this checkout."""
    return Path(__file__).resolve().parents[2] / "docs" / "reference" / "parameters.md"


if __name__ == "__main__":
    sys.exit(main())
