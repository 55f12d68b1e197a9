"""Debian packages that pip cannot provide: a compiler, headers, off-screen rendering, USB."""

import ctypes.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tmrl_cli.bootstrap.interpreter import Interpreter
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.steps import Progress, SetupError, run_logged, tail

_LIBRARIES = {
    "EGL": "libegl1",  # MuJoCo renders off screen through EGL
    "GL": "libgl1",
    "usb-1.0": "libusb-1.0-0",  # RealSense cameras
}


def missing(interpreter: Interpreter) -> list[str]:
    """Lists the Debian packages that are needed and not there.

    Args:
        interpreter: The Python that the environment is made from.
    """
    packages = [
        package for name, package in _LIBRARIES.items() if ctypes.util.find_library(name) is None
    ]
    if shutil.which("c++") is None:
        packages.append("g++")
    python = "python{}.{}".format(*interpreter.version)
    if not interpreter.has_venv:
        packages.append(f"{python}-venv")
    if not interpreter.has_headers:
        packages.append(f"{python}-dev")
    return packages


def install(packages: Sequence[str], layout: Layout, progress: Progress) -> None:
    """Installs Debian packages where this process may; otherwise says how.

    Args:
        packages: Names of Debian packages.
        layout: The checkout, for the log file.
        progress: Where the activity is shown.

    Raises:
        SetupError: No right to install, no apt, or apt failed.
    """
    command = "apt-get install -y --no-install-recommends " + " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SetupError(
            f"missing system packages: {' '.join(packages)}",
            "These are Debian's names; install what your distribution calls them.",
        )
    if os.geteuid() != 0:
        raise SetupError(
            f"missing system packages: {' '.join(packages)}",
            f"Run this once, then ./tmrl setup again:\n    sudo {command}",
        )
    log_file = layout.setup_state / "system-packages.log"
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run_apt("apt-get update", log_file, progress, env)
    _run_apt(command, log_file, progress, env)


def _run_apt(command: str, log_file: Path, progress: Progress, env: dict[str, str]) -> None:
    if run_logged(command.split(), log_file=log_file, progress=progress, env=env) != 0:
        raise SetupError(
            f"'{command}' failed; log: {log_file}\n{tail(log_file)}",
            "Check the network and apt's sources, then run ./tmrl setup again.",
        )
