"""What a field of a configuration may hold, in one place: it validates, documents and describes.

    rate_hz: Annotated[float, Range(1.0, 250.0)] = 50.0
    reset: Annotated[str, OneOf("scene", "person")] = "person"

`check_fields` judges the values, `tmrl_ros.parameters` makes descriptors of them, and the generated
parameter reference prints them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import (
    Annotated,
    Any,
    Protocol,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from tmrl_common.config import as_field, nearest_name
from tmrl_common.errors import ConfigError


@runtime_checkable
class Constraint(Protocol):
    """What one value must satisfy; of an array, each element."""

    @property
    def text(self) -> str:
        """The condition in words, such as "0 to 1"."""
        ...

    def admits(self, value: Any) -> bool:
        """Returns whether a value satisfies it."""
        ...

    def remedy(self, value: Any) -> str:
        """Returns what to write instead, as the end of a sentence."""
        ...


@dataclass(frozen=True)
class Range:
    """A finite number between two ends, both included unless `above` or `below` is set.

    Attributes:
        low: Lower end; minus infinity for none.
        high: Upper end; infinite for none.
        above: Whether the lower end itself is excluded.
        below: Whether the upper end itself is excluded.
    """

    low: float = -inf
    high: float = inf
    above: bool = False
    below: bool = False

    @property
    def text(self) -> str:
        """Such as "0 to 1", "above 0", or "at least 0 and below 1"."""
        low = f"{'above' if self.above else 'at least'} {self.low:.10g}"
        if not isfinite(self.low):
            low = "" if isfinite(self.high) else "any finite number"
        if not isfinite(self.high):
            return low
        if self.below or not low:
            high = f"{'below' if self.below else 'at most'} {self.high:.10g}"
            return f"{low} and {high}" if low else high
        return f"{'above ' if self.above else ''}{self.low:.10g} to {self.high:.10g}"

    def admits(self, value: float) -> bool:
        """Returns whether the value is finite and within both ends."""
        above_low = value > self.low if self.above else value >= self.low
        below_high = value < self.high if self.below else value <= self.high
        return isfinite(value) and above_low and below_high

    def remedy(self, value: float) -> str:
        """Returns the range."""
        finite = "" if isfinite(value) or self == Range() else "finite and "
        return f"it must be {finite}{self.text}"


@dataclass(frozen=True, init=False)
class OneOf:
    """One of a few names.

    Attributes:
        names: The valid ones.
    """

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in names))

    @property
    def text(self) -> str:
        """The names."""
        return f"one of {', '.join(self.names)}"

    def admits(self, value: str) -> bool:
        """Returns whether the value is one of the names."""
        return value in self.names

    def remedy(self, value: str) -> str:
        """Returns the nearest name, and all of them."""
        hint = nearest_name(value, list(self.names))
        return hint[0].lower() + hint[1:]


@dataclass(frozen=True)
class NotEmpty:
    """A text that says something.

    Attributes:
        example: Such as a lab would write.
    """

    example: str

    @property
    def text(self) -> str:
        """That it is needed, with an example."""
        return f"not empty, for example {self.example}"

    def admits(self, value: str) -> bool:
        """Returns whether there is any text."""
        return bool(value.strip())

    def remedy(self, value: str) -> str:
        """Returns the example."""
        del value
        return f"give one, for example {self.example}"


@dataclass(frozen=True)
class Live:
    """Marks a field that may change while its node runs; every other one is fixed at the start.

    Attributes:
        lower_only: Whether a change may only lower the value, as for a limit that protects an arm.
    """

    lower_only: bool = False


def constraints_of(config_class: type) -> Mapping[str, tuple[Constraint, ...]]:
    """Returns the constraints of each field, in the order in which they stand there."""
    return {
        name: tuple(mark for mark in marks if isinstance(mark, Constraint))
        for name, marks in _marks(config_class).items()
    }


def live_fields(config_class: type) -> Mapping[str, Live]:
    """Returns the fields that may change while the node runs."""
    return {
        name: mark
        for name, marks in _marks(config_class).items()
        for mark in marks
        if isinstance(mark, Live)
    }


def check_fields(config: object, prefix: str = "") -> None:
    """Judges every field by its own constraints; to be called in `__post_init__`.

    Args:
        config: An instance of a dataclass.
        prefix: Put before the name of a field, such as "agent.".

    Raises:
        ConfigError: A value is out of range; the text names field, value and what is valid.
    """
    for name, constraints in constraints_of(type(config)).items():
        if problem := _problem(prefix + name, getattr(config, name), constraints):
            raise ConfigError(problem)


def read_fields(
    config_class: type, values: Mapping[str, Any], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Reads values as the fields' types, and judges each by its own constraints.

    Args:
        config_class: A dataclass.
        values: By the names of its fields, not necessarily all of them.
        prefix: Put before the name of a field, such as "controller.".

    Returns:
        What could be read, and a sentence for each value that is none or out of range.
    """
    hints, constraints = get_type_hints(config_class), constraints_of(config_class)
    typed: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in values.items():
        try:
            typed[name] = as_field(prefix + name, value, hints[name])
        except ConfigError as error:
            problems.append(str(error))
            continue
        if problem := _problem(prefix + name, typed[name], constraints[name]):
            problems.append(problem)
    return typed, problems


def _problem(key: str, value: Any, constraints: tuple[Constraint, ...]) -> str:
    """What is wrong with a value; empty where nothing is."""
    elements = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
    for element in elements:
        for constraint in constraints:
            if not constraint.admits(element):
                return f"{key} is {_shown(element)}; {constraint.remedy(element)}"
    return ""


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) and value else str(value) or "empty"


def _marks(config_class: type) -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(config_class, include_extras=True)
    names = [field.name for field in dataclasses.fields(config_class)]
    return {name: _marks_of(hints[name]) for name in names}


def _marks_of(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return (*_marks_of(inner), *marks)
    if get_origin(hint) is tuple:
        return _marks_of(get_args(hint)[0])
    return ()
