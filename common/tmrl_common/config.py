"""Building configurations: frozen dataclasses from plain values, nothing unknown let through."""

import dataclasses
import difflib
import inspect
import re
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from tmrl_common.errors import ConfigError

C = TypeVar("C")

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
"""Words of YAML 1.1, which stand for the same without quotes."""
_LONGEST_SHOWN = 200


def nearest_name(name: str, valid: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest valid one, and all of them."""
    near = difflib.get_close_matches(name, valid, n=1)
    suggestion = f"did you mean '{near[0]}'? " if near else ""
    return f"{suggestion}Valid: {', '.join(sorted(valid))}"


def attribute_texts(config_class: type) -> dict[str, str]:
    """Description of each field, from the `Attributes:` section of the class's docstring."""
    section = inspect.cleandoc(config_class.__doc__ or "").partition("Attributes:")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def build_config(config_class: type[C], values: Mapping[str, Any]) -> C:
    """Makes a configuration from plain values.

    Args:
        config_class: A dataclass whose fields are of types that `as_field` knows; its
            `__post_init__` judges the values.
        values: Field name to value, each read by `as_field`, so that command lines and files give
            the same result.

    Raises:
        ConfigError: A name is unknown, a value is not of the field's type, a required one is
            absent, or the class refuses a value.
    """
    hints = get_type_hints(config_class)
    fields = {field.name: field for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise ConfigError(f"unknown setting '{name}'. {nearest_name(name, list(fields))}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING
        if required and field.default_factory is dataclasses.MISSING and name not in values:
            raise ConfigError(f"setting '{name}' is missing and has no default")
    typed = {name: as_field(name, value, hints[name]) for name, value in values.items()}
    try:
        return config_class(**typed)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def as_field(key: str, value: Any, hint: Any) -> Any:
    """Returns a value in a field's type: the one way from file, command line and ROS parameter.

    A field that is no text reads text as if the quotes were not there: "0.3", 3e-2 (text for YAML
    1.1) and "true" are what they look like. A field that is text takes text alone, as the spelling
    of a number or a date is lost when YAML reads it. Whole numbers stand for any number, 8.0 for 8.

    Args:
        key: What the refusal calls it, such as "controller.horizon".
        value: As YAML, JSON, a command line or ROS gives it.
        hint: bool, int, float, str, a string enum, a tuple of one of them, or a class of which
            the value already is.

    Raises:
        ConfigError: It is of another type, or a number that is not finite or too long; the text
            names key, value and remedy.
    """
    if get_origin(hint) is tuple:
        return _as_tuple(key, value, get_args(hint))
    if _is_list(value):
        brackets = "; leave the brackets out" if len(value) == 1 else ""
        raise _refused(key, value, f"{_kind(hint)}, not a list{brackets}")
    if hint in _READERS:
        return _READERS[hint](key, value)
    if isinstance(value, hint):
        return value
    try:
        return hint(value)
    except (ValueError, TypeError) as error:
        raise _refused(key, value, _kind(hint)) from error


def _as_tuple(key: str, value: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    element = arguments[0]
    if not _is_list(value):
        example = f", such as [{value}]" if isinstance(value, str | Real) and value != "" else ""
        raise _refused(key, value, f"a list{example}")
    elements = list(value)
    if arguments[-1] is not Ellipsis and len(elements) != len(arguments):
        raise _refused(key, elements, f"a list of {len(arguments)} values")
    return tuple(as_field(f"{key}[{i}]", each, element) for i, each in enumerate(elements))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple | array)


def _as_bool(key: str, value: Any) -> bool:
    if isinstance(value, str):
        value = _BOOLEANS.get(value.strip().lower(), value)
    if not isinstance(value, bool):
        raise _refused(key, value, _kind(bool))
    return value


def _as_int(key: str, value: Any) -> int:
    number = _number(key, value, int)
    if number != int(number):
        raise _refused(key, value, _kind(int))
    if not -(2**63) <= number < 2**63:
        raise _refused(key, value, "a whole number that fits into 64 bit")
    return int(number)


def _as_float(key: str, value: Any) -> float:
    return float(_number(key, value, float))


def _as_str(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _refused(key, value, "text: put it into quotes, written as you mean it")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _refused(key, value, "text: it holds a NUL or half a character, take it out")
    return str(value)


def _number(key: str, value: Any, wanted: type) -> int | float:
    """A finite number, where the value is one or its text is."""
    number = _read_number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, Real):
        raise _refused(key, value, _kind(wanted) + _hint_for_number(value))
    number = int(number) if isinstance(number, Integral) else float(number)
    if not abs(number) <= sys.float_info.max:
        raise _refused(key, value, f"{_kind(wanted)}, and finite")
    if 0 < abs(number) < sys.float_info.min:
        raise _refused(key, value, "0, or a number further from it")
    return number


def _read_number(text: str) -> int | float | None:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return None


def _hint_for_number(value: object) -> str:
    """What is to be changed about text that is nearly a number."""
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[+-]?\d*,\d+", text):
        return f": write it with a point, {text.replace(',', '.')}"
    if re.match(r"[+-]?\d*[.,]?\d+\s*[^\d\s.,:]", text):
        return " alone, without its unit: the name says in which one it counts"
    return ""


def _kind(hint: Any) -> str:
    """What a field takes, in words."""
    if hint in _WORDS:
        return _WORDS[hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"one of {', '.join(hint)}"
    return f"of type {hint.__name__}"


def _refused(key: str, value: object, wanted: str) -> ConfigError:
    shown = "empty" if value is None or value == "" else repr(value)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    return ConfigError(f"{key} is {shown}; it must be {wanted}")


_READERS: Mapping[Any, Callable[[str, Any], Any]] = {
    bool: _as_bool,
    int: _as_int,
    float: _as_float,
    str: _as_str,
}
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
