"""Where a checkout may lie: in a folder that the build tools can read, and this user can write."""

import os
import re
import shlex
from pathlib import Path

from tmrl_cli.bootstrap.steps import SetupError

_READABLE = re.compile(r"[A-Za-z0-9/ ._+@=,~-]+")
"""CMake loses whatever is not ASCII where it reads a list of files, and splits at ';'; a list of
folders is split at ':'; the shell scripts of a built workspace read '$', quotes and brackets."""


class LocationError(SetupError):
    """The checkout cannot be set up where it lies; nothing was installed."""


def check(root: Path) -> None:
    """Refuses a place in which set-up would fail, before anything is installed.

    Args:
        root: The checkout.

    Raises:
        LocationError: Names the characters, or the owner.
    """
    path = str(root)
    strange = "".join(dict.fromkeys(_READABLE.sub("", path)))
    if strange:
        raise LocationError(
            f"the path of this checkout, {shown(path)}, holds {shown(strange)}, "
            "which CMake or the shell would misread",
            "Move it to a path of ASCII letters, digits and blanks, such as:\n"
            f"    mv {shlex.quote(shown(path))} ~/tmrl",
        )
    if not os.access(root, os.W_OK | os.X_OK):
        me = f"user {os.getuid()}"
        raise LocationError(
            f"{me} may not write into {path}, which belongs to {_owner(root)}, and "
            "this checkout is not set up, or not to its newest state",
            f"Let {_owner(root)} run ./tmrl setup there, or clone the repository for yourself.",
        )


def shown(text: str) -> str:
    """Text as any terminal can print it: bytes that are no UTF-8 are escaped."""
    return text.encode(errors="backslashreplace").decode()


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"
