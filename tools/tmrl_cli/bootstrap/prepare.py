"""Sets the checkout up, as far as it is not yet."""

import fcntl
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tmrl_cli.bootstrap import (
    environment,
    interpreter,
    location,
    python_packages,
    system_packages,
    workspace,
)
from tmrl_cli.bootstrap.layout import Layout
from tmrl_cli.bootstrap.ros_source import sourced_ros
from tmrl_cli.bootstrap.steps import Progress


def prepare(layout: Layout) -> bool:
    """Installs and builds what is missing or out of date.

    Where nothing is, nothing is written either: the checkout may be somebody else's.

    Args:
        layout: The checkout.

    Returns:
        Whether there was anything to do.

    Raises:
        SetupError: A step failed; steps that were done before it are kept.
    """
    ros = sourced_ros()
    wanted = python_packages.fingerprint(layout, ros)
    if _is_installed(layout, wanted) and _is_built(layout, wanted):
        return False
    location.check(layout.root)
    with _only_one_at_a_time(layout):
        progress = Progress()
        did_something = False
        if not _is_installed(layout, wanted):
            python = ros.python if ros else interpreter.find(avoid=layout.venv)
            absent = system_packages.missing(python)
            if absent:
                with progress.step(f"system packages: {' '.join(absent)}"):
                    system_packages.install(absent, layout, progress)
            python_packages.install(layout, python, ros, progress)
            did_something = True
        if not _is_built(layout, wanted):
            build_environment = environment.build_environment(layout, os.environ)
            workspace.build(layout, build_environment, wanted, progress)
            did_something = True
        return did_something


def _is_installed(layout: Layout, wanted: str) -> bool:
    return _is_current(python_packages.stamp_file(layout), wanted)


def _is_built(layout: Layout, wanted: str) -> bool:
    built = _is_current(workspace.stamp_file(layout), workspace.fingerprint(layout, wanted))
    return built and bool(environment.recorded_workspace(layout))


def _is_current(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


@contextmanager
def _only_one_at_a_time(layout: Layout) -> Generator[None]:
    layout.setup_state.mkdir(exist_ok=True)
    with (layout.setup_state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("  another ./tmrl is setting up this checkout; waiting for it ...\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        # Killed in the middle, pip or colcon may still write: the lock is theirs as well.
        os.set_inheritable(lock.fileno(), True)
        yield
