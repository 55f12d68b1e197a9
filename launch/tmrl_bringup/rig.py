"""A rig: everything that a lab edits about one robot, read from `config/<rig>.yaml`.

The file names the robot and gives the parameters of each part. What can hurt, or what only the lab
knows, stands there as an example (`key: !example VALUE`) and counts as missing until the lab has
replaced it. `ros2 launch` and `./tmrl up` take overrides as `part.key:=value`; the resolved result
is stored with every run.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory

from tmrl_bringup.layout import repository_root
from tmrl_bringup.parts import CAMERAS, PARTS, SERVER
from tmrl_bringup.rig_yaml import Example, parse, value_of
from tmrl_common.arm_drivers import driver_names
from tmrl_common.config import as_field
from tmrl_common.errors import ConfigError
from tmrl_common.ros_names import is_ros_name, refusal

_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})")


class RigError(ValueError):
    """A rig, a part or a key that does not exist, or a file that cannot be used."""


def nearest(name: str, valid: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest valid one, and all of them."""
    near = difflib.get_close_matches(name, valid, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"valid: {', '.join(valid)}"


def ros_name(key: str, value: object) -> str:
    """Returns a name that stands in those of nodes or topics: a robot's or a camera's.

    Raises:
        RigError: ROS takes no such name; the text proposes one.
    """
    if not isinstance(value, str):
        raise RigError(f"{key} is {value!r}; it must be text: put it into quotes")
    if not is_ros_name(value):
        raise RigError(f"{key} is {value!r}; {refusal(value, key)}")
    return value


def filled_in(path: object) -> Path:
    """A path as people write it: with ~ and variables such as $HOME filled in.

    Raises:
        RigError: It begins with the home of a user whom the machine does not know, or names a
            variable that is not set.
    """
    text = os.path.expandvars(str(path))
    if unset := _VARIABLE.search(text):
        raise RigError(
            f"the path {path} names the variable {unset.group()}, which is not set here: set it, "
            "or write the path out"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise RigError(f"the path {path} names a user whom this machine does not know") from error


def path_in_rig(value: object) -> Path:
    """The place that a path in a rig means: what is relative lies in the repository.

    Raises:
        RigError: See `filled_in`.
    """
    return repository_root() / filled_in(value)


def config_dir() -> Path:
    """Directory of the rigs' files: in the installed package's share, as for any ROS package."""
    return Path(get_package_share_directory("tmrl_bringup"), "config")


def _file_of(name: str) -> Path:
    """The file of a rig's name; of a linked installation, the one that is edited."""
    return Path(config_dir(), f"{name}.yaml").resolve()


def available() -> list[str]:
    """Names of the rigs that have a file here."""
    return sorted(path.stem for path in config_dir().glob("*.yaml"))


@dataclass(frozen=True)
class Rig:
    """A robot and the parameters of its parts.

    Attributes:
        name: Name of the file without its ending.
        robot: Name of the arm; namespace of its nodes.
        simulated: Whether the driver is the simulation: nodes then use its clock.
        parts: Parameters of each part, by part and key; a camera is a part `cameras.<name>`. A
            value that the lab has not given yet is an `Example`.
        file: Where it was read from.
    """

    name: str
    robot: str
    simulated: bool
    parts: Mapping[str, Mapping[str, Any]]
    file: Path

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that have a node of their own."""
        prefix = f"{CAMERAS}."
        return tuple(part.removeprefix(prefix) for part in self.parts if part.startswith(prefix))

    def with_overrides(self, overrides: Mapping[str, Any]) -> "Rig":
        """A copy with some parameters replaced.

        Args:
            overrides: Values by `part.key`, `cameras.name.key` or `arm.driver.key`. The part
                must exist, or be an optional one, which is then added; whether the key does is
                judged by the part's own configuration (`tmrl_bringup.rig_checks`).

        Raises:
            RigError: A key has no part or an unknown one, or is below a single value.
        """
        parts = {name: dict(values) for name, values in self.parts.items()}
        for path, value in overrides.items():
            part, key = self._split(path)
            parts.setdefault(part, {"robot": self.robot})
            group, dot, name = key.partition(".")
            if dot:
                inner = parts[part].get(group) or {}
                if not isinstance(inner, Mapping):
                    raise RigError(
                        f"unknown parameter {path}: {part}.{group} is one value, and nothing is "
                        f"below it; give {part}.{group}"
                    )
                parts[part][group] = {**inner, name: value}
            else:
                parts[part][key] = value
        return dataclasses.replace(self, parts=parts)

    def renamed(self, robot: str) -> "Rig":
        """Returns a copy whose robot has another name, and its nodes another namespace.

        Raises:
            RigError: ROS takes no such name for a namespace.
        """
        checked = ros_name("robot", robot)
        parts = {
            part: {**values, "robot": checked} if "robot" in values else dict(values)
            for part, values in self.parts.items()
        }
        return dataclasses.replace(self, robot=checked, parts=parts)

    def _split(self, path: str) -> tuple[str, str]:
        """Part and key of an override's path."""
        for part in (*self.parts, *self._left_out()):
            if path.startswith(f"{part}."):
                return part, path.removeprefix(f"{part}.")
        wrong = path.rpartition(".")[0] or path
        valid = [*self.parts, *self._left_out()]
        raise RigError(f"unknown parameter {path}: write part.key; {nearest(wrong, valid)}")

    def _left_out(self) -> list[str]:
        """Optional parts that such a rig may have, and this one has not."""
        return [
            name
            for name, part in PARTS.items()
            if part.optional and part.in_rig(simulated=self.simulated) and name not in self.parts
        ]

    def for_its_driver(self) -> "Rig":
        """A copy without the parameters of drivers that are not in use; nodes refuse them."""
        if self.simulated:
            return self
        arm = self.parts["arm"]
        others = [group for group in driver_names() if group != arm.get("driver")]
        kept = {key: value for key, value in arm.items() if key not in others}
        return dataclasses.replace(self, parts={**self.parts, "arm": kept})

    def with_examples(self) -> "Rig":
        """A copy in which every example is taken for the value; for trying things out."""
        return dataclasses.replace(self, parts=_filled(self.parts))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the run directory's config.yaml."""
        plain: dict[str, Any] = {}
        for part, values in self.parts.items():
            group, dot, name = part.partition(".")
            if dot:
                plain.setdefault(group, {})[name] = dict(values)
            else:
                plain[part] = dict(values)
        return {"rig": self.name, "robot": self.robot, "simulated": self.simulated, **plain}


def _filled(value: Any) -> Any:
    if isinstance(value, Example):
        return value.value
    return {k: _filled(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def parse_overrides(arguments: list[str]) -> dict[str, Any]:
    """Returns `key:=value` arguments as in ROS 2.

    The value of a `part.key` is read as YAML (numbers, booleans, lists); that of an argument of the
    session stays text, as in a launch file.

    Raises:
        RigError: An argument is not of that form, or a key has two values.
    """
    overrides: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for argument in arguments:
        key, separator, value = argument.partition(":=")
        if not separator or not key:
            raise RigError(f"{argument!r} is not of the form key:=value")
        if key in texts and texts[key] != value:
            raise RigError(
                f"{key} is given twice, as {texts[key]!r} and as {value!r}; leave one of them out"
            )
        texts[key] = value
        if "." not in key:
            overrides[key] = value
            continue
        try:
            overrides[key] = value_of(value)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or "it cannot be read"
            raise RigError(
                f"{key} is {value!r}, which is no YAML: {problem}; close every bracket and quote, "
                f"and put text with a colon into quotes of its own, such as {key}:='\"a: b\"'"
            ) from error
    return overrides


def read_file(path: Path) -> dict[str, Any]:
    """The content of a rig's file, examples included.

    Raises:
        RigError: It cannot be read, or is no YAML mapping; the text says where.
    """
    try:
        content = parse(path.read_bytes())
    except OSError as error:
        raise RigError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RigError(f"{path} {error}") from error
    if not isinstance(content, dict):
        raise RigError(f"{path} holds no keys; copy one of {', '.join(available())} and edit it")
    return content


def is_file_name(name: str) -> bool:
    """Whether a rig is given as a lab's own file."""
    return name.lower().endswith((".yaml", ".yml"))


def load(name: str) -> Rig:
    """Reads a rig's file.

    Args:
        name: Of a file in the package's `config`, or the path of a lab's own file (`*.yaml` or
            `*.yml`).

    Raises:
        RigError: There is no such rig, or its file lacks a part or has an unknown one.
    """
    if is_file_name(name):
        path = filled_in(name)
    else:
        path = _file_of(name)
        if not path.exists():
            own = (
                "; the name of a file of your own must end with .yaml"
                if Path(name).exists()
                else ""
            )
            raise RigError(f"unknown rig {name}; {nearest(name, available())}{own}")
    content = read_file(path)
    try:
        simulated: bool = as_field("simulated", content.get("simulated", False), bool)
    except ConfigError as error:
        raise RigError(f"{path}: {error}") from error
    names = [name for name, part in PARTS.items() if part.in_rig(simulated=simulated)]
    known = ("robot", "simulated", *names)
    optional = {name for name in names if PARTS[name].optional}
    missing = [key for key in known if key not in content and key not in optional]
    if missing:
        raise RigError(f"{path} lacks {', '.join(missing)}")
    for name in sorted(set(content) - set(known)):
        kind = "a simulated" if simulated else "a hardware"
        why = f"{kind} rig has no such part" if name in PARTS else "there is no such part or key"
        raise RigError(f"{path} has {name}, but {why}; {nearest(name, [*known])}")
    robot = ros_name("robot", content["robot"])
    parts: dict[str, dict[str, Any]] = {}
    for part in names:
        if part not in content:
            continue
        sections = (
            _camera_sections(path, content[part]) if part == CAMERAS else {part: content[part]}
        )
        for section, values in sections.items():
            if not isinstance(values or {}, dict):
                raise RigError(f"{path}: {section} is {values!r}; it must be a list of key: value")
            common = {"robot": robot} if part != SERVER else {}
            if part == CAMERAS:
                common["camera"] = section.removeprefix(f"{CAMERAS}.")
            parts[section] = {**common, **(values or {})}
    return Rig(path.stem, robot, simulated, parts, path)


def _camera_sections(path: Path, cameras: Any) -> dict[str, Any]:
    if not isinstance(cameras or {}, dict):
        raise RigError(f"{path}: {CAMERAS} must give each camera a name, as in config/widowx.yaml")
    return {
        f"{CAMERAS}.{ros_name('camera', name)}": values for name, values in (cameras or {}).items()
    }
