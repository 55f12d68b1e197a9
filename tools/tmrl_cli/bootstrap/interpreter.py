"""Finds the Python interpreter that the environment is made from."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmrl_cli.bootstrap.steps import SetupError

SUPPORTED_VERSIONS = ((3, 11), (3, 12), (3, 13))
"""Versions for which the ROS wheels and all pinned packages exist."""

_PROBE = """
import importlib.util, json, os, sys, sysconfig
print(json.dumps({
    "version": sys.version_info[:2],
    "venv": all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")),
    "headers": os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")),
    "rclpy": importlib.util.find_spec("rclpy") is not None,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter and what it can be used for."""

    path: Path
    version: tuple[int, int]
    has_venv: bool
    """Can make virtual environments with pip in them."""
    has_headers: bool
    """Has the C headers that generated message code is compiled against."""
    has_rclpy: bool
    """Finds the ROS 2 client library without our help."""

    @property
    def is_supported(self) -> bool:
        """Whether all pinned packages exist for this version."""
        return self.version in SUPPORTED_VERSIONS

    @property
    def is_complete(self) -> bool:
        """Whether the environment can be made and the messages be built with it."""
        return self.has_venv and self.has_headers


def probe(path: Path) -> Interpreter | None:
    """Asks an interpreter what it is.

    Args:
        path: An executable.

    Returns:
        None where the file does not run as Python (a version manager's shim, for example).
    """
    try:
        answer = subprocess.run(
            [str(path), "-c", _PROBE], capture_output=True, text=True, timeout=30, check=True
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError):
        return None
    major, minor = facts["version"]
    return Interpreter(
        path=path,
        version=(major, minor),
        has_venv=facts["venv"],
        has_headers=facts["headers"],
        has_rclpy=facts["rclpy"],
    )


def find(avoid: Path) -> Interpreter:
    """Finds the best interpreter: supported, complete if possible, and the oldest such version.

    Args:
        avoid: Folder whose interpreters do not count: the environment that is to be made.

    Returns:
        The interpreter; it may still lack its venv module or headers.

    Raises:
        SetupError: No supported version is installed.
    """
    found = [known for path in _candidates(avoid) if (known := probe(path))]
    supported = [interpreter for interpreter in found if interpreter.is_supported]
    if supported:
        return min(supported, key=lambda known: (not known.is_complete, known.version))
    versions = sorted({"{}.{}".format(*interpreter.version) for interpreter in found})
    raise SetupError(
        f"no Python 3.11, 3.12 or 3.13 on the PATH (found: {', '.join(versions) or 'none'})",
        "Install one, for example: sudo apt-get install python3.11 python3.11-venv python3.11-dev",
    )


def _candidates(avoid: Path) -> Iterator[Path]:
    names = ["python{}.{}".format(*version) for version in SUPPORTED_VERSIONS] + ["python3"]
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    paths = [Path(sys.executable)] + [folder / name for folder in folders for name in names]
    for path in dict.fromkeys(paths):
        if not path.is_relative_to(avoid) and os.access(path, os.X_OK):
            yield path
