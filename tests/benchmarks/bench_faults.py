"""What a whole session survives: kills, stops, and a policy server that is hard to reach.

A real session on an arm without physics, resumed whenever it has ended; every part is a process.
Its lives are in lock-step and paced by the world in turn. Judged are the commands that a bystander
heard and the files that are left, not what the stack says of itself. How: tests/faults.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tmrl_bringup.layout import repository_root

_KILLS, _LONG_KILLS = 20, 1000


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def run(argv: list[str]) -> dict[str, Any]:
    """Runs the faults; what was found, and whether every promise was kept."""
    parser = argparse.ArgumentParser(prog="./tmrl bench faults", description=__doc__)
    parser.add_argument("--kills", type=int, help=f"default: {_KILLS}; half as many of the others")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")
    parser.add_argument("--long", action="store_true", help=f"{_LONG_KILLS} kills, for hours")
    parsed = parser.parse_args(argv)
    kills = parsed.kills if parsed.kills is not None else _LONG_KILLS if parsed.long else _KILLS
    if kills < 1:
        parser.error(f"--kills is {kills}; it must be at least 1")
    # The harness is one of the tests, which are not installed.
    sys.path.insert(0, str(repository_root()))
    from tests.faults import plan
    from tests.faults.harness import Harness

    folder = Path(tempfile.mkdtemp(prefix="faults_"))
    report = Harness(folder, parsed.seed, _say).run(plan.draw(parsed.seed, kills))
    if report.passed:
        shutil.rmtree(folder)
    else:
        _say(f"what is left of the session: {folder}")
    return report.result()
