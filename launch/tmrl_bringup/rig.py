"""A rig: everything that a lab edits about one robot, read from `config/<rig>.yaml`.

The file names the robot and gives the parameters of each part. `ros2 launch` and `./tmrl up` take
overrides as `part.key:=value`; the resolved result is stored with every run.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory

PARTS = ("driver", "controller", "agent", "operator", "learning", "policy_server")


class RigError(ValueError):
    """A rig, a part or a key that does not exist, or a file that cannot be used."""


def nearest(name: str, valid: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest valid one, and all of them."""
    near = difflib.get_close_matches(name, valid, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"valid: {', '.join(valid)}"


def config_dir() -> Path:
    """Directory of the rigs' files: in the installed package's share, as for any ROS package."""
    return Path(get_package_share_directory("tmrl_bringup"), "config")


def available() -> list[str]:
    """Names of the rigs that have a file."""
    return sorted(path.stem for path in config_dir().glob("*.yaml"))


@dataclass(frozen=True)
class Rig:
    """A robot and the parameters of its parts.

    Attributes:
        name: Name of the file without its ending.
        robot: Name of the arm; namespace of its nodes.
        simulated: Whether the driver is the simulation: nodes then use its clock.
        parts: Parameters of each part, by part and key.
    """

    name: str
    robot: str
    simulated: bool
    parts: Mapping[str, Mapping[str, Any]]

    def with_overrides(self, overrides: Mapping[str, Any]) -> "Rig":
        """A copy with some parameters replaced.

        Args:
            overrides: Values by `part.key`. The part has to exist; whether the key does is judged
                by the part itself, which knows its own configuration.

        Raises:
            RigError: A key has no part or an unknown one.
        """
        parts = {name: dict(values) for name, values in self.parts.items()}
        for path, value in overrides.items():
            part, dot, key = path.partition(".")
            if not dot or part not in parts:
                raise RigError(
                    f"unknown parameter {path}: write part.key; {nearest(part, [*parts])}"
                )
            parts[part][key] = value
        return Rig(self.name, self.robot, self.simulated, parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the run directory's config.yaml."""
        parts = {name: dict(values) for name, values in self.parts.items()}
        return {"rig": self.name, "robot": self.robot, "simulated": self.simulated, **parts}


def parse_overrides(arguments: list[str]) -> dict[str, Any]:
    """`key:=value` arguments as in ROS 2; values are read as YAML (numbers, booleans, lists).

    Raises:
        RigError: An argument is not of that form.
    """
    overrides: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.partition(":=")
        if not separator or not key:
            raise RigError(f"{argument!r} is not of the form key:=value")
        overrides[key] = yaml.safe_load(value)
    return overrides


def load(name: str) -> Rig:
    """Reads a rig's file.

    Raises:
        RigError: There is no such rig, or its file lacks something or has something unknown.
    """
    path = config_dir() / f"{name}.yaml"
    if not path.exists():
        raise RigError(f"unknown rig {name}; {nearest(name, available())}")
    content = yaml.safe_load(path.read_text())
    missing = [key for key in ("robot", "simulated", *PARTS) if key not in content]
    if missing:
        raise RigError(f"{path} lacks {', '.join(missing)}")
    unknown = sorted(set(content) - {"robot", "simulated", *PARTS})
    if unknown:
        raise RigError(f"{path} has unknown keys: {unknown[0]}; {nearest(unknown[0], [*PARTS])}")
    parts = {part: dict(content[part] or {}) for part in PARTS}
    return Rig(name, content["robot"], bool(content["simulated"]), parts)
