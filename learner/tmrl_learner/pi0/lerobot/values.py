"""Single values of a data set's meta data, whichever library wrote them."""

import math
from typing import Any

from tmrl_learner.pi0.lerobot.errors import DatasetError

_NO_INSTRUCTIONS = ("none", "null", "nan", "n/a")
"""What converters make of an instruction that was never given."""


def whole_number(value: Any, where: str, *, least: int = 0) -> int:
    """A count or an index.

    Columns that once had a gap come out of pandas as floats; these are taken where they are whole.

    Args:
        value: As it was read.
        where: Names the value in messages.
        least: Smallest that makes sense.

    Raises:
        DatasetError: It is missing, not whole, or too small.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise DatasetError(f"{where} is missing; write the number, or leave the episode out")
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < least:
        raise DatasetError(f"{where} is {value!r}; it must be a whole number of at least {least}")
    return int(value)


def real_number(value: Any, where: str) -> float:
    """A time or a rate.

    Raises:
        DatasetError: It is missing, no number or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DatasetError(f"{where} is {value!r}; it must be a number")
    return float(value)


def instruction(value: Any, where: str) -> str:
    """An instruction; empty where there is none.

    Raises:
        DatasetError: It is no text, or its characters are damaged.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str):
        raise DatasetError(
            f"{where} is {value!r}, a {type(value).__name__}; an instruction is one text: "
            "write it without brackets"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DatasetError(f"{where} is {value!r}; it has half a character, write it again")
    says_something = any(character.isalnum() for character in value)
    return value if says_something and value.strip().lower() not in _NO_INSTRUCTIONS else ""
