"""A task as data: which objects there are, where they stand, and when it is solved."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from tmrl_cell.layouts import LayoutName
from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError

_JOINTS = range(1, 8)
KINDS = ("button",)
"""What an object may be."""
LONGEST_PRESS_M = 0.01
"""A button's cap moves by a little more than this."""
_TAKEN = (
    "base",
    "hand",
    "table",
    "floor",
    *(f"{part}{n}" for part in ("joint", "link") for n in _JOINTS),
)
_KEYS = ("objects", "demonstrated", "success", "time_limit_s", "layouts")
_TRIES = 1000

Range = tuple[float, float]


@dataclass(frozen=True)
class TaskObject:
    """Something that stands on the table.

    Attributes:
        name: As the task calls it.
        kind: One of `KINDS`.
        rgba: Colour, four numbers from 0 to 1.
    """

    name: str
    kind: str
    rgba: tuple[float, ...]


@dataclass(frozen=True)
class Pressed:
    """Solved once the cap of a button is pressed.

    Attributes:
        name: Of the button.
        by_m: So far at least [m].
    """

    name: str
    by_m: float


@dataclass(frozen=True)
class Layout:
    """One arrangement of the cell, base frame.

    Attributes:
        objects_m: Name to x and y of its centre on the table [m].
        tool_m: Where the tool starts, pointing down, shape (3,) [m].
    """

    objects_m: Mapping[str, tuple[float, float]]
    tool_m: tuple[float, float, float]


@dataclass(frozen=True)
class LayoutRanges:
    """Where everything may stand at the start of an episode, base frame.

    Attributes:
        objects_m: Name to the ranges of x and y [m].
        tool_m: Ranges of x, y and z of the tool [m].
        apart_m: Centres of two objects are no nearer to each other [m]; while the tool starts lower
            than it could pass above a button, it keeps the same distance.
    """

    objects_m: Mapping[str, tuple[Range, Range]]
    tool_m: tuple[Range, Range, Range]
    apart_m: float

    def draw(self, rng: np.random.Generator) -> Layout:
        """Draws an arrangement.

        Raises:
            ConfigError: The ranges leave no room for the distances.
        """
        for _ in range(_TRIES):
            places = {name: _drawn(rng, ranges) for name, ranges in self.objects_m.items()}
            tool = _drawn(rng, self.tool_m)
            obstacles = [*places.values()]
            if tool[2] < _CLEAR_HEIGHT_M:
                obstacles.append(tool[:2])
            if all(_apart_m(a, b) >= self.apart_m for a, b in _pairs(obstacles)):
                objects = {name: (place[0], place[1]) for name, place in places.items()}
                return Layout(objects, (tool[0], tool[1], tool[2]))
        raise ConfigError(
            f"no layout was found in {_TRIES} draws whose objects are {self.apart_m:g} m apart; "
            "widen the ranges or lower apart_m"
        )


_CLEAR_HEIGHT_M = 0.10


def _drawn(rng: np.random.Generator, ranges: tuple[Range, ...]) -> tuple[float, ...]:
    return tuple(float(rng.uniform(low, high)) for low, high in ranges)


def _pairs(places: list[tuple[float, ...]]) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    return [(a, b) for i, a in enumerate(places) for b in places[i + 1 :]]


def _apart_m(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


@dataclass(frozen=True)
class TaskFile:
    """Everything that one task file says.

    Attributes:
        name: Of the file, without its suffix.
        objects: In the order in which the policy is shown their places.
        demonstrated: What the demonstrations do.
        success: When the downstream task is solved.
        time_limit_s: Of an episode [s].
        layouts: Where everything stands, for the demonstrations and downstream.
    """

    name: str
    objects: tuple[TaskObject, ...]
    demonstrated: Pressed
    success: Pressed
    time_limit_s: float
    layouts: Mapping[LayoutName, LayoutRanges]

    @property
    def object_names(self) -> tuple[str, ...]:
        """Of all objects, in the file's order."""
        return tuple(each.name for each in self.objects)


def load_task(name: str) -> TaskFile:
    """Reads a task.

    Args:
        name: Of a task that comes with the cell, or the path of a file that ends in .yaml.

    Raises:
        ConfigError: There is no such task, or it says something that cannot be; the text names the
            file, the key and the remedy.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        try:
            return parse_task(path.stem, path.read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the task file {name} cannot be read: {error}") from error
    folder = files("tmrl_cell").joinpath("tasks")
    known = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    if name not in known:
        raise ConfigError(f"unknown task {name!r}; {nearest_name(name, known)}, or a .yaml file")
    text = folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return parse_task(name, text, f"{name}.yaml")


def parse_task(name: str, text: str, where: str) -> TaskFile:
    """Reads a task from its text.

    Args:
        name: Of the task.
        text: YAML.
        where: Names the file in errors.

    Raises:
        ConfigError: See `load_task`.
    """
    try:
        values: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {error}") from error
    top = _mapping(where, values, _KEYS)
    objects = tuple(
        _object(f"{where}: objects.{name}", str(name), given)
        for name, given in _mapping(f"{where}: objects", top["objects"]).items()
    )
    if not objects:
        raise ConfigError(f"{where}: objects is empty; name at least one, such as red: button")
    names = [each.name for each in objects]
    ranges = _mapping(f"{where}: layouts", top["layouts"], tuple(LayoutName))
    return TaskFile(
        name=name,
        objects=objects,
        demonstrated=_pressed(f"{where}: demonstrated", top["demonstrated"], names),
        success=_pressed(f"{where}: success", top["success"], names),
        time_limit_s=_number(f"{where}: time_limit_s", top["time_limit_s"], 0.5, 600.0),
        layouts={
            layout: _layout(f"{where}: layouts.{layout.value}", ranges[layout.value], names)
            for layout in LayoutName
        },
    )


def _mapping(where: str, value: Any, keys: tuple[str, ...] | None = None) -> dict[str, Any]:
    """A mapping that has exactly `keys`, where they are given."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {value!r}; it must hold keys and values")
    mapping = cast("dict[str, Any]", value)
    if keys is None:
        return mapping
    for key in mapping:
        if key not in keys:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest_name(str(key), [*keys])}")
    for key in keys:
        if key not in mapping:
            raise ConfigError(f"{where}: {key} is missing; {_REMEDIES.get(key, 'add it')}")
    return mapping


_REMEDIES = {
    "success": "say when the task is solved, such as success: {pressed: red, by_m: 0.004}",
    "demonstrated": "say what is shown, such as demonstrated: {pressed: blue, by_m: 0.004}",
    "time_limit_s": "say after how long an episode ends, in seconds",
    "rgba": "give a colour of four numbers from 0 to 1",
    "kind": f"say what it is: {', '.join(KINDS)}",
}


def _object(where: str, name: str, value: Any) -> TaskObject:
    if not name.isidentifier() or name in _TAKEN:
        raise ConfigError(
            f"{where}: {name!r} is no name for an object; use letters, digits and _, and none of "
            f"the arm's own names ({', '.join(_TAKEN)})"
        )
    given = _mapping(where, value, ("kind", "rgba"))
    if given["kind"] not in KINDS:
        kind = str(given["kind"])
        raise ConfigError(f"{where}: unknown kind {kind!r}; {nearest_name(kind, [*KINDS])}")
    return TaskObject(name, given["kind"], _numbers(f"{where}.rgba", given["rgba"], 4, 0.0, 1.0))


def _pressed(where: str, value: Any, names: list[str]) -> Pressed:
    given = _mapping(where, value, ("pressed", "by_m"))
    name = str(given["pressed"])
    if name not in names:
        raise ConfigError(f"{where}: there is no object {name!r}; {nearest_name(name, names)}")
    return Pressed(name, _number(f"{where}.by_m", given["by_m"], 0.001, LONGEST_PRESS_M))


def _layout(where: str, value: Any, names: list[str]) -> LayoutRanges:
    given = _mapping(where, value, ("apart_m", "objects", "tool"))
    places = _mapping(f"{where}.objects", given["objects"], tuple(names))
    objects: dict[str, tuple[Range, Range]] = {}
    for name in names:
        place = _mapping(f"{where}.objects.{name}", places[name], ("x_m", "y_m"))
        x, y = (_range(f"{where}.objects.{name}.{key}", place[key]) for key in ("x_m", "y_m"))
        objects[name] = (x, y)
    tool = _mapping(f"{where}.tool", given["tool"], ("x_m", "y_m", "z_m"))
    x, y, z = (_range(f"{where}.tool.{key}", tool[key]) for key in ("x_m", "y_m", "z_m"))
    return LayoutRanges(objects, (x, y, z), _number(f"{where}.apart_m", given["apart_m"], 0.1, 1.0))


def _range(where: str, value: Any) -> Range:
    low, high = _numbers(where, value, 2, -1.0, 1.0)
    if low > high:
        raise ConfigError(f"{where} is [{low:g}, {high:g}]; write the smaller number first")
    return low, high


def _numbers(where: str, value: Any, count: int, low: float, high: float) -> tuple[float, ...]:
    if not isinstance(value, list) or len(cast("list[Any]", value)) != count:
        raise ConfigError(f"{where} is {value!r}; it must be a list of {count} numbers")
    return tuple(_number(where, each, low, high) for each in cast("list[Any]", value))


def _number(where: str, value: Any, low: float, high: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ConfigError(f"{where} is {value!r}; it must be a number from {low:g} to {high:g}")
    return float(value)
