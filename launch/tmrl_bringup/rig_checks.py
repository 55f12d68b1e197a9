"""Judges a rig before anything starts: every missing, unknown and impossible value at once.

The parts' own configuration classes say what there is, what it means and what is possible, so
nothing about their keys is written a second time here.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tmrl_bringup.contradictions import contradictions
from tmrl_bringup.link import ServerLink
from tmrl_bringup.parts import SERVER, part_of
from tmrl_bringup.rig import (
    Example,
    Rig,
    RigError,
    available,
    config_dir,
    nearest,
    read_file,
)
from tmrl_bringup.whole import Whole
from tmrl_common.arm_drivers import DriverDescription, DriverError, driver_names, find_driver
from tmrl_common.config import attribute_texts
from tmrl_common.constraints import read_fields


@dataclass(frozen=True)
class Section:
    """Keys that are judged together.

    Attributes:
        path: Of the part or of a group in it, such as "controller" or "arm.interbotix".
        values: What the rig says.
        classes: Configuration classes whose fields they are.
        known: Further keys that may stand there and are judged elsewhere.
        values_apply: Whether the classes judge the values as a whole; otherwise the process does,
            because what applies depends on what it loads.
    """

    path: str
    values: Mapping[str, Any]
    classes: tuple[type, ...]
    known: tuple[str, ...] = ()
    values_apply: bool = True

    @property
    def prefix(self) -> str:
        """What stands before a key."""
        return f"{self.path}."


@dataclass(frozen=True)
class Missing:
    """A key that the lab must give.

    Attributes:
        path: `part.key`.
        meaning: What it is.
        example: Such as a lab would write; None where there is no example.
    """

    path: str
    meaning: str
    example: Any = None

    def __str__(self) -> str:
        """One line for the screen."""
        example = "" if self.example is None else f" Example: {self.example}"
        return f"  {self.path}: {self.meaning}{example}"


def judge(rig: Rig, parts: Collection[str]) -> None:
    """Refuses a rig with which these parts cannot be started.

    Args:
        rig: With the session's values in it.
        parts: Those that are to be started here.

    Raises:
        RigError: Names all that is unknown, all that is impossible, and all that is missing with
            meaning and example, in one answer.
    """
    if "arm" in parts and (problem := driver_problem(rig)):
        # Which keys there are, and what the arm can do, only the driver's package knows.
        raise RigError(f"{rig.file}: arm.{problem}")
    sections = sections_of(rig, parts)
    lines: list[str] = []
    if unknown := unknown_keys(sections):
        lines += [f"{rig.file} has unknown keys:", *unknown]
    whole = Whole(rig, frozenset(parts), usable_values(sections))
    if impossible := [*impossible_values(sections), *contradictions(whole)]:
        lines += [f"{rig.file} cannot work:", *impossible]
    if missing := missing_keys(sections):
        lines += [f"{len(missing)} values are missing that only you know:", *map(str, missing)]
        lines.append(
            f"Write them into {rig.file} (without !example), or into a copy of it whose path you "
            "give instead of the rig's name; or give them as part.key:=value."
        )
    if lines:
        raise RigError("\n".join(lines))


def sections_of(rig: Rig, parts: Iterable[str]) -> list[Section]:
    """What there is to judge of these parts.

    The way to the policy server is always in it: agent and learner need it, wherever it runs.
    """
    sections: list[Section] = []
    for part in parts:
        if part == SERVER:
            continue
        values = rig.parts[part]
        groups = driver_names() if part == "arm" else ()
        flat = {key: value for key, value in values.items() if key not in groups}
        sections.append(Section(part, flat, part_of(part).classes()))
        if part == "arm":
            sections += _driver_section(values)
    server, link = rig.parts[SERVER], _names(ServerLink)
    if SERVER in parts:
        classes = part_of(SERVER).classes()
        sections.append(Section(SERVER, server, classes, known=link, values_apply=False))
    own = {key: value for key, value in server.items() if key in link}
    return [*sections, Section(SERVER, own, (ServerLink,))]


def driver_problem(rig: Rig) -> str:
    """Why the arm's driver cannot be loaded; empty where it can, or where none is given yet.

    What stands in the group of its settings is looked at as well.
    """
    name = rig.parts["arm"].get("driver")
    if not isinstance(name, str):
        return ""
    try:
        find_driver(name)
    except DriverError as error:
        return str(error)
    group = rig.parts["arm"].get(name)
    if not isinstance(group or {}, Mapping):
        return f"{name} is {group!r}; it must be a group of keys, each as key: value"
    return ""


def _description_of(values: Mapping[str, Any]) -> DriverDescription | None:
    """That of the arm's driver; None where it cannot be loaded, which `judge` refuses."""
    name = values.get("driver")
    try:
        return find_driver(name) if isinstance(name, str) else None
    except DriverError:
        return None


def _driver_section(values: Mapping[str, Any]) -> list[Section]:
    """The group of the arm's driver, which its own class knows."""
    description = _description_of(values)
    if description is None or description.settings is None:
        return []
    name = description.name
    return [Section(f"arm.{name}", values.get(name) or {}, (description.settings,))]


def unknown_keys(sections: Iterable[Section]) -> list[str]:
    """A sentence for each key that its part does not know."""
    found: list[str] = []
    for section in sections:
        known = [*(name for each in section.classes for name in _names(each)), *section.known]
        found += [
            f"  {section.path}.{key}: unknown; {nearest(key, known)}"
            for key in section.values
            if key not in known
        ]
    return found


def missing_keys(sections: Iterable[Section]) -> list[Missing]:
    """Every key that has only an example, or nothing and no default."""
    found: list[Missing] = []
    for section in sections:
        for config_class in section.classes:
            texts = attribute_texts(config_class)
            for field in dataclasses.fields(config_class):
                value = section.values.get(field.name)
                if isinstance(value, Example):
                    example = value.value
                elif value is None and (_has_no_default(field) or field.name in section.values):
                    example = _shipped_example(section.path, field.name)
                else:
                    continue
                path, meaning = f"{section.path}.{field.name}", texts.get(field.name, "")
                found.append(Missing(path, meaning, example))
    return found


def impossible_values(sections: Iterable[Section]) -> list[str]:
    """What fields and configurations themselves must say against the values."""
    found: list[str] = []
    for section in sections:
        for config_class in section.classes:
            given = _given(config_class, section)
            typed, problems = read_fields(config_class, given, section.prefix)
            found += [f"  {problem}" for problem in problems]
            if problems or not section.values_apply or not _complete(config_class, given):
                continue
            try:
                config_class(**typed)
            except (ValueError, TypeError) as error:
                found.append(f"  {section.path}: {error}")
                continue
            found += [f"  {section.prefix}{problem}" for problem in unwritable(config_class, typed)]
    return found


def usable_values(sections: Iterable[Section]) -> dict[str, dict[str, Any]]:
    """What each section holds, in the fields' types and with their defaults.

    Values that are missing or impossible are left out: they are named elsewhere.
    """
    usable: dict[str, dict[str, Any]] = {}
    for section in sections:
        values = usable.setdefault(section.path, {})
        for config_class in section.classes:
            given = _own(config_class, section)
            for field in dataclasses.fields(config_class):
                if field.name not in given and not _has_no_default(field):
                    values[field.name] = field.default
            values |= read_fields(config_class, _given(config_class, section))[0]
    return usable


def unwritable(config_class: type, typed: Mapping[str, Any]) -> list[str]:
    """A sentence for each value that no parameter file of ROS can hold: a list without elements.

    Where the field's default is one, the key is left out instead.
    """
    found: list[str] = []
    for field in dataclasses.fields(config_class):
        if typed.get(field.name) == () and field.default != ():
            default = "" if _has_no_default(field) else f", or leave the key out: {field.default}"
            found.append(
                f"{field.name} is an empty list, which ROS cannot hand to a node; name at least "
                f"one{default}"
            )
    return found


def node_parameters(rig: Rig, part: str) -> dict[str, Any]:
    """The parameters of a part's node, each in the type of its field.

    An empty list is left out: it is the field's default, and ROS knows none.

    Raises:
        RigError: A value is of another type than its field.
    """
    parameters: dict[str, Any] = dict(rig.parts[part])
    for section in sections_of(rig, [part]):
        if section.path == SERVER:
            continue
        values = dict(section.values)
        for config_class in section.classes:
            typed, problems = read_fields(config_class, _own(config_class, section), section.prefix)
            if problems:
                raise RigError("\n".join([f"{rig.file} cannot work:", *problems]))
            values |= typed
        kept = {key: value for key, value in values.items() if value != ()}
        if section.path == part:
            parameters = {k: v for k, v in parameters.items() if k not in section.values} | kept
        else:
            parameters[section.path.removeprefix(f"{part}.")] = kept
    return parameters


def _own(config_class: type, section: Section) -> dict[str, Any]:
    """The values of a section that are fields of one of its classes."""
    names = _names(config_class)
    return {key: value for key, value in section.values.items() if key in names}


def _given(config_class: type, section: Section) -> dict[str, Any]:
    """The same without those that count as missing."""
    own = _own(config_class, section)
    return {k: v for k, v in own.items() if v is not None and not isinstance(v, Example)}


def _complete(config_class: type, given: Mapping[str, Any]) -> bool:
    fields = dataclasses.fields(config_class)
    return all(field.name in given for field in fields if _has_no_default(field))


def _names(config_class: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(config_class))


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _shipped_example(path: str, key: str) -> Any:
    """The example of the same key in one of the files that come with this package."""
    for name in available():
        section: Any = read_file(config_dir() / f"{name}.yaml")
        for step in path.split("."):
            section = section.get(step) if isinstance(section, dict) else None
        example = section.get(key) if isinstance(section, dict) else None
        if isinstance(example, Example):
            return example.value
    return None
