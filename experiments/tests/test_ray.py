"""Runs on a real Ray, started here, are the runs that one process makes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600.0
ROWS = ["--rows", "base", "base-sigma-1", "--seeds", "100", "101", "--episodes", "3"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ray beside the environment, not in it: nothing else here may come to need it."""
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "ray"]
    subprocess.run(install, check=True, timeout=TIMEOUT_S)
    return folder


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return os.environ | {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def cluster(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a cluster of one machine."""
    address = f"127.0.0.1:{free_port()}"
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    port = address.rpartition(":")[2]
    # Its sockets lie in this folder, and the path of a socket must be short.
    start = ["start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    subprocess.run([*ray, *start], env=environment, check=True, timeout=TIMEOUT_S)
    yield address
    subprocess.run([*ray, "stop", "--force"], env=environment, check=True, timeout=TIMEOUT_S)


def ablation(folder: Path, *words: str) -> list[str]:
    command = [sys.executable, "-m", "tmrl_experiments", "ablation", *ROWS, *words]
    return [*command, "--work", str(folder), "--json", str(folder / "ablation.json")]


def test_a_cluster_makes_the_runs_of_one_process_also_when_it_loses_a_worker(
    environment: dict[str, str], cluster: str, tmp_path: Path
) -> None:
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    for folder in (alone, spread):
        folder.mkdir()
    subprocess.run(ablation(alone), cwd=ROOT, env=environment, check=True, timeout=TIMEOUT_S)
    with subprocess.Popen(
        ablation(spread, "--ray", cluster), cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as running:
        killed: list[psutil.Process] = []

        def kill_one() -> bool:
            assert running.poll() is None, "it was over before a worker could be killed"
            killed.extend(_workers())
            for worker in killed[:1]:
                worker.kill()
            return bool(killed)

        wait_until(kill_one, "a worker of Ray", TIMEOUT_S)
        assert running.wait(TIMEOUT_S) == 0
    both = [json.loads((folder / "ablation.json").read_text()) for folder in (alone, spread)]
    assert both[0] == both[1]
    assert {row: sorted(seeds) for row, seeds in both[1].items()} == {
        "base": ["100", "101"],
        "base-sigma-1": ["100", "101"],
    }
    outcomes = [
        [json.loads(report.read_text())["outcomes"] for report in sorted(folder.glob("*.seed*"))]
        for folder in (alone, spread)
    ]
    assert outcomes[0] == outcomes[1]


def _workers() -> list[psutil.Process]:
    """Ray's processes that carry out a job now; it names them after the function."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::_call" in word for word in process.info["cmdline"] or []):
            found.append(process)
    return found
