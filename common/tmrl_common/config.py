"""Building configurations: frozen dataclasses from plain values, nothing unknown let through."""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from tmrl_common.errors import ConfigError

C = TypeVar("C")

_BOOLEANS = {"true": True, "false": False}


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
        config_class: A dataclass whose fields are bool, int, float, str or a type made from one
            string; its `__post_init__` judges the values.
        values: Field name to value. Text is read as the field's type, so that command lines and
            files give the same result.

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
    typed = {name: _as_type(name, value, hints[name]) for name, value in values.items()}
    try:
        return config_class(**typed)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _as_type(name: str, value: Any, wanted: type) -> Any:
    if type(value) is wanted:
        return value
    if wanted is bool and isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    convertible = isinstance(value, str) or (wanted is float and type(value) is int)
    if convertible and wanted is not bool:
        try:
            return wanted(value)
        except ValueError as error:
            raise _wrong_type(name, value, wanted) from error
    raise _wrong_type(name, value, wanted)


def _wrong_type(name: str, value: object, wanted: type) -> ConfigError:
    expected = wanted.__name__
    if issubclass(wanted, StrEnum):
        expected = f"one of {', '.join(wanted)}"
    return ConfigError(f"setting '{name}' is {value!r}; it must be {expected}")
