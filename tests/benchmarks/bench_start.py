"""How long `./tmrl up` takes before the first process starts, and what it loads for that.

The figures come from several fresh interpreters, each of which prints the help of `./tmrl up` and
checks every rig that comes along.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

HEAVY = ("torch", "mujoco", "transformers")

LOAD = """
import contextlib, io, json, sys, time
from pathlib import Path

began_s = time.perf_counter()
from tmrl_bringup import up
from tmrl_bringup.rig_checks import judge
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import select_parts
from tmrl_bringup.rig import available, load

with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    up.main(["widowx_sim", "--help"])
for name in available():
    rig = SessionOptions(run_dir=Path("/nonexistent")).apply(load(name).with_examples())
    judge(rig, select_parts(rig))
took_s = time.perf_counter() - began_s
modules = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps({"took_s": took_s, "modules": modules}))
"""
"""The part of a fresh interpreter."""


def run(argv: list[str]) -> dict[str, Any]:
    """Measure the start of the launcher.

    Args:
        argv: `--rounds N`, interpreters one after the other.

    Returns:
        `figures`: import_launch_s, median, with minimum and maximum; modules_heavy, a count.
    """
    parser = argparse.ArgumentParser(prog="tmrl bench start")
    parser.add_argument("--rounds", type=int, default=7, help="fresh interpreters (default: 7)")
    rounds = parser.parse_args(argv).rounds
    measured = [loaded() for _ in range(rounds)]
    took_s = [each["took_s"] for each in measured]
    heavy = sorted({name for each in measured for name in HEAVY if name in each["modules"]})
    return {
        "ratios": {},
        "figures": {
            "import_launch_s": round(statistics.median(took_s), 3),
            "import_launch_min_s": round(min(took_s), 3),
            "import_launch_max_s": round(max(took_s), 3),
            "modules_heavy": len(heavy),
        },
        "heavy": heavy,
        "passed": not heavy,
    }


def loaded() -> dict[str, Any]:
    """Return what one fresh interpreter measured."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, timeout=600
    )
    return json.loads(done.stdout)
