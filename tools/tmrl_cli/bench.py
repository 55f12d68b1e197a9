"""The verb `bench`: runs one benchmark of tests/benchmarks and writes its figures as JSON."""

import argparse
import difflib
import importlib.util
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tmrl_bringup.layout import repository_root
from tmrl_common.storage import prepare_file, prepare_folder, write_text

Benchmark = Callable[[list[str]], Mapping[str, Any]]
"""`run(argv)` of a benchmark: returns `ratios` and `figures`."""

_PREFIX = "bench_"
_ROOM_MB = 200
"""What a benchmark writes into the folder for temporary files, MB at most."""


def main(argv: Sequence[str]) -> int:
    """Runs one benchmark.

    Args:
        argv: Name of the benchmark, `--json FILE`, and the benchmark's own arguments.

    Returns:
        0; 1 where the benchmark says that it did not pass; one that cannot run raises.
    """
    folder = repository_root() / "tests" / "benchmarks"
    names = benchmark_names(folder)
    parser = argparse.ArgumentParser(
        prog="tmrl bench",
        description="Runs a benchmark; other arguments go to it.",
        epilog=f"benchmarks: {', '.join(names) or 'none in this checkout'}",
    )
    parser.add_argument("name", metavar="NAME", help="which benchmark")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the result to FILE too")
    arguments, for_benchmark = parser.parse_known_args(argv)
    if arguments.name not in names:
        nearest = difflib.get_close_matches(str(arguments.name), names, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        valid = ", ".join(names) or "none in this checkout"
        parser.error(f"no benchmark '{arguments.name}'{hint} (benchmarks: {valid})")
    if arguments.json is not None:
        prepare_file(arguments.json)
    prepare_folder(Path(tempfile.gettempdir()), _ROOM_MB)
    measured = load(folder, arguments.name)(for_benchmark)
    report = describe(arguments.name, argv, measured)
    text = json.dumps(report, indent=2) + "\n"
    sys.stdout.write(text)
    if arguments.json is not None:
        write_text(arguments.json, text)
    return 0 if measured.get("passed", True) else 1


def benchmark_names(folder: Path) -> list[str]:
    """Returns the names of the benchmarks in a folder, sorted; a file's underscores are hyphens."""
    stems = (path.stem for path in folder.glob(f"{_PREFIX}*.py"))
    return sorted(stem.removeprefix(_PREFIX).replace("_", "-") for stem in stems)


def load(folder: Path, name: str) -> Benchmark:
    """Returns the function `run` of a benchmark.

    Args:
        folder: Where the benchmarks lie.
        name: One of `benchmark_names(folder)`.
    """
    if str(folder) not in sys.path:
        # What several of them share, or what is long, lies beside them in modules of its own.
        sys.path.insert(0, str(folder))
    path = folder / f"{_PREFIX}{name.replace('-', '_')}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def describe(name: str, argv: Sequence[str], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Joins what was measured with what it was measured on.

    Args:
        name: Name of the benchmark.
        argv: Arguments of the verb.
        measured: `ratios` (name -> number, above 1 is better for us) and `figures`
            (name with unit -> value); whatever else there is goes into the report as it is.

    Returns:
        The JSON object of the report.

    Raises:
        KeyError: The benchmark did not return both.
    """
    return {
        "bench": name,
        "command": shlex.join(["./tmrl", "bench", *argv]),
        "machine": {"cpu": _cpu_model(), "threads": os.cpu_count(), "gpu": _gpu_model()},
        **measured,
        "ratios": dict(measured["ratios"]),
        "figures": dict(measured["figures"]),
    }


def _cpu_model() -> str:
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        for line in cpu_info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu_model() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip().replace("\n", ", ") or None
