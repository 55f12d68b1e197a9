"""Builds the ROS workspace with colcon, and only when something that matters has changed."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tmrl_cli.bootstrap.environment import record_workspace, sees_system_packages
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.steps import Progress, SetupError, run_logged, tail

_DEFINES_BUILD = ("package.xml", "setup.py", "setup.cfg", "CMakeLists.txt")
_INTERFACES = (".msg", ".srv", ".action")


def fingerprint(layout: Layout, python_packages: str) -> str:
    """Hashes everything after whose change the workspace must be built again.

    Packages are linked into the install folder, so edits of Python, YAML and launch files need no
    build; a data file that appears or goes away does.

    Args:
        layout: The checkout.
        python_packages: Fingerprint of the environment that the workspace is built in.

    Returns:
        A hexadecimal digest.
    """
    digest = hashlib.sha256(python_packages.encode())
    for path in _source_files(layout):
        digest.update(str(path.relative_to(layout.root)).encode() + b"\0")
        if path.name in _DEFINES_BUILD or path.suffix in _INTERFACES:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp_file(layout: Layout) -> Path:
    """Returns the file that says what was built; it goes away with the install folder."""
    return layout.install / "tmrl-stamp"


def build(
    layout: Layout, environment: Mapping[str, str], python_packages: str, progress: Progress
) -> None:
    """Builds all packages of the workspace.

    Args:
        layout: The checkout.
        environment: Environment variables with which colcon runs.
        python_packages: Fingerprint of the environment that the workspace is built in.
        progress: Where the step is shown.

    Raises:
        SetupError: A package does not build; names the log file.
    """
    stamp_file(layout).unlink(missing_ok=True)
    built_from = fingerprint(layout, python_packages)
    log_file = layout.setup_state / "workspace.log"
    with progress.step("ROS workspace (colcon build)"):
        status = run_logged(
            _colcon_command(layout),
            log_file=log_file,
            progress=progress,
            env=environment,
            cwd=layout.root / "ros2_ws",
        )
        if status != 0:
            raise SetupError(
                f"colcon build failed; log: {log_file}\n{tail(log_file, lines=25)}",
                "Mend the package that the log names, then run ./tmrl setup again.",
            )
    record_workspace(layout)
    stamp_file(layout).write_text(built_from, encoding="utf-8")


def _colcon_command(layout: Layout) -> list[str | Path]:
    # The wheels hold no C++ client library: messages for one would only take time to compile.
    python_only = "OFF" if sees_system_packages(layout) else "ON"
    return [
        layout.venv / "bin" / "colcon",
        "--log-base",
        layout.colcon_log,
        "build",
        "--base-paths",
        *layout.colcon_base_paths,
        "--build-base",
        layout.build,
        "--install-base",
        layout.install,
        "--symlink-install",
        "--event-handlers",
        "console_direct-",
        "--cmake-args",
        "-GNinja",
        f"-DPython3_EXECUTABLE={layout.python}",
        "-DBUILD_TESTING=OFF",
        f"-DTMRL_MSGS_PYTHON_ONLY={python_only}",
        "--no-warn-unused-cli",
    ]


def _source_files(layout: Layout) -> Iterator[Path]:
    for base in layout.colcon_base_paths:
        for folder, subfolders, names in os.walk(base):
            subfolders[:] = sorted(name for name in subfolders if not _is_generated(name))
            for name in sorted(names):
                path = Path(folder) / name
                if path.suffix != ".py" or name in _DEFINES_BUILD:
                    yield path


def _is_generated(folder: str) -> bool:
    return folder.startswith(".") or folder == "__pycache__" or folder.endswith(".egg-info")
