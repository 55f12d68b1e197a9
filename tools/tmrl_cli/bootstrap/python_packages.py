"""Makes the virtual environment and installs the pinned packages and our own into it."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tmrl_cli.bootstrap import uv
from tmrl_cli.bootstrap.interpreter import Interpreter
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.ros_source import SourcedRos
from tmrl_cli.bootstrap.ros_wheels import rewrite_prefixes
from tmrl_cli.bootstrap.steps import Progress, SetupError, run_logged, tail

_FREE_SPACE_GB = 4.0
_GIVEN_BY_SOURCED_ROS = re.compile(r"(ros-|numpy==|empy==|lark-parser==)")
"""Pins left out with a sourced ROS 2: its extension modules were compiled for its own numpy."""

_NETWORK_SIGNS = (
    "NewConnectionError",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Read timed out",
    "ProxyError",
)


def fingerprint(layout: Layout, ros: SourcedRos | None) -> str:
    """Names everything that decides what the environment holds.

    Args:
        layout: The checkout.
        ros: The sourced ROS 2, if any.

    Returns:
        A line of text; the environment is complete when its stamp equals it.
    """
    digest = hashlib.sha256(layout.lock_file.read_bytes())
    for package in layout.pip_packages:
        digest.update((package / "pyproject.toml").read_bytes())
    source = f"ROS 2 {ros.distribution}" if ros else "ROS 2 wheels"
    return f"{source} | {digest.hexdigest()}"


def stamp_file(layout: Layout) -> Path:
    """Returns the file that says what was installed; it goes away with the environment."""
    return layout.venv / "tmrl-stamp"


def install(
    layout: Layout, interpreter: Interpreter, ros: SourcedRos | None, progress: Progress
) -> None:
    """Makes the environment, or finishes one that was left half made.

    Args:
        layout: The checkout.
        interpreter: What a new environment is made from.
        ros: The sourced ROS 2; its packages then stay visible in the environment.
        progress: Where each step is shown.

    Raises:
        SetupError: Disk full, no network, or a failed installation; names the log file.
    """
    _refuse_other_ros_source(layout, ros)
    stamp_file(layout).unlink(missing_ok=True)
    if not _works(layout.python):
        _require_disk_space(layout)
        version = "{}.{}".format(*interpreter.version)
        with progress.step(f"virtual environment (Python {version})"):
            _make_venv(layout, interpreter, progress, see_system_packages=ros is not None)
    with progress.step("Python packages (1 to 3 minutes on the first run)"):
        pins = _write_pins(layout, ros)
        installer = _Installer(layout, progress, _uv_settings(layout, pins, progress))
        # The pins are complete, and openpi-client asks for a numpy that it does not need.
        installer.install("python-packages", ["--no-deps", "-r", str(pins)])
        # Only torch is asked what it needs: on a GPU machine that is CUDA, which has no pins here.
        installer.install("torch", [_pin_of("torch", pins), "-c", str(pins)])
    with progress.step("the packages of this repository"):
        own = [part for path in layout.pip_packages for part in ("--editable", str(path))]
        installer.install("own-packages", ["--no-deps", "--no-build-isolation", *own])
        if ros is None:
            rewrite_prefixes(layout)
    stamp_file(layout).write_text(fingerprint(layout, ros), encoding="utf-8")


def _refuse_other_ros_source(layout: Layout, ros: SourcedRos | None) -> None:
    config = layout.venv / "pyvenv.cfg"
    if not config.exists() or not _works(layout.python):
        return
    was_sourced = "include-system-site-packages = true" in config.read_text(encoding="utf-8")
    if was_sourced == (ros is not None):
        return
    before = "a sourced ROS 2 installation" if was_sourced else "the ROS 2 wheels"
    now = f"ROS 2 {ros.distribution} is sourced" if ros else "no ROS 2 is sourced"
    raise SetupError(
        f"this checkout was set up with {before}, and now {now}",
        "Use a shell like the one before, or set up again after:\n"
        f"    rm -r {layout.venv} {layout.build} {layout.install}",
    )


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def _require_disk_space(layout: Layout) -> None:
    free_gb = shutil.disk_usage(layout.root).free / 1e9
    if free_gb < _FREE_SPACE_GB:
        raise SetupError(
            f"{free_gb:.1f} GB free where {layout.root} lies; {_FREE_SPACE_GB:.0f} GB are needed",
            "Free some space, then run ./tmrl setup again.",
        )


def _make_venv(
    layout: Layout, interpreter: Interpreter, progress: Progress, *, see_system_packages: bool
) -> None:
    command: list[str | Path] = [interpreter.path, "-m", "venv", "--clear", layout.venv]
    if see_system_packages:
        command.append("--system-site-packages")
    log_file = layout.setup_state / "virtual-environment.log"
    if run_logged(command, log_file=log_file, progress=progress) != 0:
        raise SetupError(
            f"making {layout.venv} failed; log: {log_file}\n{tail(log_file)}",
            "Check that the folder is writable and the disk not full, then run ./tmrl setup again.",
        )
    # colcon must not take the environment for source code.
    (layout.venv / "COLCON_IGNORE").touch()


def _write_pins(layout: Layout, ros: SourcedRos | None) -> Path:
    lines = layout.lock_file.read_text(encoding="utf-8").splitlines()
    if ros is not None:
        lines = [line for line in lines if not _GIVEN_BY_SOURCED_ROS.match(line)]
    pins = layout.setup_state / "requirements.txt"
    pins.parent.mkdir(parents=True, exist_ok=True)
    pins.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pins


def _pin_of(package: str, pins: Path) -> str:
    lines = pins.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def _uv_settings(layout: Layout, pins: Path, progress: Progress) -> uv.UvSettings | None:
    """Installs uv and returns its settings; None where pip is to do the work."""
    settings = uv.settings_of(layout.python)
    if settings is None:
        return None
    try:
        _pip(layout, progress, "uv", [_pin_of("uv", pins), "--no-deps"])
    except SetupError:
        return None  # pip is tried next, and reports what is wrong where it fails too
    return settings


@dataclass(frozen=True)
class _Installer:
    """Installs with uv where that is to be had and succeeds, otherwise with pip."""

    layout: Layout
    progress: Progress
    settings: uv.UvSettings | None

    def install(self, name: str, arguments: Sequence[str]) -> None:
        """Installs packages; `name` names the log, `arguments` are those of `pip install`."""
        log_file = self.layout.setup_state / f"{name}-uv.log"
        if self.settings is None or not uv.install(
            self.layout.python,
            self.settings,
            arguments,
            log_file=log_file,
            progress=self.progress,
        ):
            _pip(self.layout, self.progress, name, arguments)


def _pip(layout: Layout, progress: Progress, name: str, arguments: Sequence[str]) -> None:
    log_file = layout.setup_state / f"{name}.log"
    command = [layout.python, "-m", "pip", "--disable-pip-version-check", "install", *arguments]
    if run_logged(command, log_file=log_file, progress=progress) == 0:
        return
    log = log_file.read_text(encoding="utf-8", errors="replace")
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    excerpt = "\n".join(f"    {line}" for line in errors[-3:]) or tail(log_file)
    raise SetupError(f"pip failed; log: {log_file}\n{excerpt}", _pip_remedy(log))


def _pip_remedy(log: str) -> str:
    if "No space left on device" in log:
        return "The disk is full: free some space, then run ./tmrl setup again; it resumes."
    if any(sign in log for sign in _NETWORK_SIGNS):
        return (
            "pip could not reach its package index. Check the network and `pip config list` "
            "(proxy, index),\nthen run ./tmrl setup again; it resumes."
        )
    if "No matching distribution found" in log:
        return (
            "The package index that pip uses has no such version for this Python and platform.\n"
            "Check `pip config list`, then run ./tmrl setup again; it resumes."
        )
    return "Read the log, then run ./tmrl setup again; it resumes."
