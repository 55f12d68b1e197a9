"""The verb `test`: lint, formatting, types, then the tests."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tmrl_bringup.layout import repository_root

_NO_TESTS_COLLECTED = 5
_MAX_WORKERS = 8


@dataclass(frozen=True)
class Check:
    """One command that passes or fails."""

    name: str
    command: tuple[str, ...]
    passing: tuple[int, ...] = (0,)
    """Exit statuses that count as passed."""


def main(argv: Sequence[str]) -> int:
    """Runs the checks and reports all that failed.

    Args:
        argv: `fast`, `all` or `long`, then arguments for pytest.

    Returns:
        0 if everything passed, 1 otherwise.
    """
    parser = argparse.ArgumentParser(
        prog="tmrl test",
        usage="tmrl test [fast|all|long] [PYTEST ARGUMENTS]",
        description="Lints, checks types and runs the tests; other arguments go to pytest.",
        epilog="examples: tmrl test fast | tmrl test -k limiter -x | tmrl test all common/tests",
    )
    parser.add_argument(
        "extent",
        nargs="?",
        choices=("fast", "all", "long"),
        default="all",
        help="fast: lint, types and unit tests; all (default): also tests that start nodes; long: "
        "instead what takes many minutes or needs root, such as the containers",
    )
    own_count = 0 if not argv or _is_for_pytest(argv[0]) else 1
    extent = parser.parse_args(argv[:own_count]).extent
    for_pytest = argv[own_count:]
    if extent == "long":
        return run([long_tests(for_pytest)], repository_root())
    return run([*static_checks(), tests(extent, for_pytest)], repository_root())


def _is_for_pytest(argument: str) -> bool:
    if argument in ("-h", "--help"):
        return False
    path = repository_root() / argument.split("::")[0]
    return argument.startswith("-") or path.exists()


def static_checks() -> list[Check]:
    """Returns the checks that read the sources without running them."""
    return [
        Check("lint", ("ruff", "check")),
        Check("format", ("ruff", "format", "--check")),
        Check("types", ("pyright", "--warnings")),
    ]


def tests(extent: str, for_pytest: Sequence[str]) -> Check:
    """Returns the pytest run of what a merge waits for, side by side.

    Tests with nodes spend most of their time waiting for processes and for DDS, and unit tests
    none: mixed, one worker more than there are cores keeps the machine busy. Each test takes a DDS
    domain and ports of its own, so those of one worker never hear those of another.

    Args:
        extent: "fast" or "all".
        for_pytest: Further arguments of pytest.
    """
    workers = str(min(_MAX_WORKERS, (os.cpu_count() or 1) + 1))
    side_by_side = ("-n", workers, "--dist", "worksteal", *for_pytest)
    kind = "not long" if extent == "all" else "not ros and not e2e and not long"
    command = ("pytest", "-q", "-m", kind, *side_by_side)
    return Check("tests", command, (0, _NO_TESTS_COLLECTED))


def long_tests(for_pytest: Sequence[str]) -> Check:
    """Returns the run of the tests that no merge waits for, one after the other."""
    command = ("pytest", "-v", "-m", "long", *for_pytest)
    return Check("long tests", command, (0, _NO_TESTS_COLLECTED))


def run(checks: Sequence[Check], folder: Path) -> int:
    """Runs every check, also after one has failed.

    Args:
        checks: What to run.
        folder: Working folder.

    Returns:
        0 if everything passed, 1 otherwise.
    """
    failed: list[str] = []
    for check in checks:
        sys.stdout.write(f"== {check.name}: {' '.join(check.command)}\n")
        sys.stdout.flush()
        started_s = time.monotonic()
        command = [sys.executable, "-m", *check.command]
        passed = subprocess.run(command, cwd=folder).returncode in check.passing
        state = "passed" if passed else "FAILED"
        elapsed_s = time.monotonic() - started_s
        sys.stdout.write(f"== {check.name}: {state} in {elapsed_s:.1f} s\n\n")
        if not passed:
            failed.append(check.name)
    sys.stdout.write(f"FAILED: {', '.join(failed)}\n" if failed else "all checks passed\n")
    return 1 if failed else 0
