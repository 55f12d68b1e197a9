"""Definitions of message types, as a recording carries them: read from the installed .msg files."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

_SEPARATOR = "=" * 80
_FIELD = re.compile(r"^\s*(?:(?P<package>\w+)/)?(?P<name>[A-Z]\w*)(?:\[[^\]]*\])?\s+\w")
_TIMES = ("Time", "Duration")
"""Names of `builtin_interfaces` that may stand without their package."""


@cache
def message_definition(kind: str) -> bytes:
    """Returns the definition of a type with those that it is made of, in the format "ros2msg".

    Args:
        kind: Such as `tmrl_msgs/msg/ArmState`.

    Returns:
        Empty where it, or one that it is made of, is not installed here.
    """
    parts: list[str] = []
    seen: list[str] = [_short(kind)]
    for name in seen:
        text = _text(name)
        if text is None:
            return b""
        parts.append(text if not parts else f"{_SEPARATOR}\nMSG: {name}\n{text}")
        seen += [inner for inner in dict.fromkeys(_inner(name, text)) if inner not in seen]
    return "\n".join(parts).encode()


def _short(kind: str) -> str:
    """A type without its folder: `tmrl_msgs/ArmState`."""
    package, _, name = kind.partition("/")
    return f"{package}/{name.rpartition('/')[2]}"


def _text(name: str) -> str | None:
    package, _, message = name.partition("/")
    try:
        share = Path(get_package_share_directory(package))
        return (share / "msg" / f"{message}.msg").read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        return None


def _inner(name: str, text: str) -> Iterator[str]:
    """The types of a definition's fields, but for the built-in ones."""
    own = name.partition("/")[0]
    for line in text.splitlines():
        if match := _FIELD.match(line.partition("#")[0]):
            package = match["package"]
            if package is None:
                package = "builtin_interfaces" if match["name"] in _TIMES else own
            yield f"{package}/{match['name']}"
