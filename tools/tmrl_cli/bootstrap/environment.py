"""Computes the environment variables with which everything runs."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.steps import SetupError

_DEFAULTS = {
    "MUJOCO_GL": "egl",
    # More threads than cores make torch's spin barriers up to thirty times slower.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "ROS_DOMAIN_ID": "42",
}
"""Used where the calling shell does not say otherwise."""


def runtime_environment(layout: Layout, caller: Mapping[str, str]) -> dict[str, str]:
    """Returns the caller's environment with the virtual environment and the workspace entered.

    Args:
        layout: The checkout; it must be set up.
        caller: Environment variables of the calling process.
    """
    return _prepend(build_environment(layout, caller), recorded_workspace(layout))


def build_environment(layout: Layout, caller: Mapping[str, str]) -> dict[str, str]:
    """Returns the caller's environment with the virtual environment entered.

    Args:
        layout: The checkout; its Python packages must be installed.
        caller: Environment variables of the calling process.
    """
    # ROS takes an empty variable for one that is not set, and so does this.
    chosen = {name: value for name, value in caller.items() if value or name not in _DEFAULTS}
    environment = {**_DEFAULTS, **chosen, "VIRTUAL_ENV": str(layout.venv)}
    environment.pop("PYTHONHOME", None)
    prefixes = {"PATH": [str(layout.venv / "bin")]}
    if not sees_system_packages(layout):
        vendored = sorted(layout.venv.glob("lib/python3*/site-packages/ros_*.libs"))
        prefixes["AMENT_PREFIX_PATH"] = [str(layout.venv)]
        prefixes["CMAKE_PREFIX_PATH"] = [str(layout.venv)]
        prefixes["LD_LIBRARY_PATH"] = [str(layout.venv / "lib"), *map(str, vendored)]
        # Without this mark the wheels start every Python process twice to set LD_LIBRARY_PATH.
        environment["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
    return _prepend(environment, prefixes)


def record_workspace(layout: Layout) -> None:
    """Writes down what colcon's set-up script adds, so that no verb must run the script again.

    Args:
        layout: The checkout; its workspace must be built.

    Raises:
        SetupError: The script fails, or no package is in the workspace: nothing would be found.
    """
    # Relative, as the script calls it without quotes: the checkout's path may hold a blank.
    bare = {"PATH": os.defpath, "COLCON_PYTHON_EXECUTABLE": f"./{layout.python.name}"}
    answer = subprocess.run(
        ["bash", "-c", '. "$0" && env -0', layout.install / "local_setup.bash"],
        cwd=layout.python.parent,
        env=bare,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    after = dict(entry.split("=", 1) for entry in answer.stdout.split("\0") if "=" in entry)
    added: dict[str, list[str]] = {}
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH"):
        known = bare.get(name, "").split(os.pathsep)
        parts = after.get(name, "").split(os.pathsep)
        added[name] = [part for part in parts if part and part not in known]
    if answer.returncode != 0 or not added["AMENT_PREFIX_PATH"]:
        raise SetupError(
            f"the built workspace names no package: {layout.install / 'local_setup.bash'} said "
            f"'{answer.stderr.strip()}'",
            f"Remove {layout.install}, then run ./tmrl setup again.",
        )
    _snapshot_file(layout).write_text(json.dumps(added, indent=2), encoding="utf-8")


def recorded_workspace(layout: Layout) -> dict[str, list[str]]:
    """Returns what `record_workspace` wrote down; nothing where it never did, or found nothing.

    Args:
        layout: The checkout.
    """
    file = _snapshot_file(layout)
    if not file.exists():
        return {}
    recorded: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
    return recorded if recorded.get("AMENT_PREFIX_PATH") else {}


def differences(environment: Mapping[str, str], caller: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of `environment` that `caller` lacks or has otherwise."""
    return {name: value for name, value in environment.items() if caller.get(name) != value}


def _snapshot_file(layout: Layout) -> Path:
    return layout.install / "tmrl-environment.json"


def sees_system_packages(layout: Layout) -> bool:
    """Returns whether the environment was made beside a sourced ROS 2, not from the wheels."""
    config = (layout.venv / "pyvenv.cfg").read_text(encoding="utf-8")
    return "include-system-site-packages = true" in config


def _prepend(environment: Mapping[str, str], prefixes: Mapping[str, list[str]]) -> dict[str, str]:
    result = dict(environment)
    for name, entries in prefixes.items():
        present = [part for part in result.get(name, "").split(os.pathsep) if part]
        joined = entries + [part for part in present if part not in entries]
        if joined:
            result[name] = os.pathsep.join(joined)
    return result
