"""What a field of a configuration may hold, in one place: it validates, documents and describes.

    rate_hz: Annotated[float, Range(1.0, 250.0)] = 50.0
    reset: Annotated[str, OneOf("scene", "person")] = "person"

`check_fields` judges the values, `tmrl_ros.parameters` makes descriptors of them, and the generated
parameter reference prints them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, radians
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


_DEGREE = radians(1.0)
_MISTAKEN_FOR: Mapping[str, tuple[tuple[str, float], ...]] = {
    "s": (("ms", 1e-3),),
    "m": (("mm", 1e-3), ("cm", 1e-2)),
    "m/s": (("mm/s", 1e-3), ("cm/s", 1e-2)),
    "rad": (("degrees", _DEGREE),),
    "rad/s": (("degrees/s", _DEGREE),),
    "rad/s^2": (("degrees/s^2", _DEGREE),),
}
"""Units in which people give a number that is meant in another one, and their size in that."""


@dataclass(frozen=True)
class Range:
    """A finite number between two ends, both included unless `above` or `below` is set.

    Attributes:
        low: Lower end; minus infinity for none.
        high: Upper end; infinite for none.
        above: Whether the lower end itself is excluded.
        below: Whether the upper end itself is excluded.
        unit: Such as "s"; of a value that is out of range it tells whether it was meant in ms.
    """

    low: float = -inf
    high: float = inf
    above: bool = False
    below: bool = False
    unit: str = ""

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
        """Returns whether the value is a number, finite and within both ends."""
        if isinstance(value, bool):
            # To Python true is 1; to whoever wrote it, it is no number.
            return False
        above_low = value > self.low if self.above else value >= self.low
        below_high = value < self.high if self.below else value <= self.high
        return isfinite(value) and above_low and below_high

    def remedy(self, value: float) -> str:
        """Returns the range, and the value that was probably meant in another unit."""
        kind = "a number, " if isinstance(value, bool) else ""
        ends = isfinite(self.low) or isfinite(self.high)
        finite = "" if isfinite(value) or not ends else "finite and "
        unit = f" {self.unit}" if self.unit else ""
        return f"it must be {kind}{finite}{self.text}{unit}{self._probably(value)}"

    def _probably(self, value: float) -> str:
        """Such as "; did you mean 0.3 (300 ms)?"; empty where no other unit fits."""
        if isinstance(value, bool) or not isfinite(value):
            return ""
        meant = [
            f"{value * size:.3g} ({value:g} {unit})"
            for unit, size in _MISTAKEN_FOR.get(self.unit, ())
            if self.admits(value * size)
        ]
        return f"; did you mean {' or '.join(meant)}?" if meant else ""


SEED = Range(0, 2**32 - 1)
"""What every generator of random numbers takes: NumPy's older ones know no longer seeds."""


@dataclass(frozen=True, init=False)
class OneOf:
    """One of a few names.

    Attributes:
        names: The valid ones.
        or_empty: Whether the value may be empty, which leaves the choice to others.
    """

    names: tuple[str, ...]
    or_empty: bool

    def __init__(self, *names: str, or_empty: bool = False) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in names))
        object.__setattr__(self, "or_empty", or_empty)

    @property
    def text(self) -> str:
        """The names."""
        return f"one of {', '.join(self.names)}{', or empty' if self.or_empty else ''}"

    def admits(self, value: str) -> bool:
        """Returns whether the value is one of the names."""
        return value in self.names or (self.or_empty and not value)

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
        if problem := problem_of(prefix + name, getattr(config, name), constraints):
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
        if problem := problem_of(prefix + name, typed[name], constraints[name]):
            problems.append(problem)
    return typed, problems


def problem_of(key: str, value: Any, constraints: tuple[Constraint, ...], why: str = "") -> str:
    """What is wrong with a value; empty where nothing is.

    Args:
        key: Name of its field.
        value: A single one, or a tuple whose elements are judged.
        constraints: What it must satisfy.
        why: Such as " with a real arm", where they do not always hold.
    """
    elements = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
    for element in elements:
        for constraint in constraints:
            if not constraint.admits(element):
                return f"{key} is {_shown(element)}{why}; {constraint.remedy(element)}"
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
