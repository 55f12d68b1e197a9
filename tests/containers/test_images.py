"""The images at work: the demo learns in one, and what is stopped ends in order."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmrl_common.testing.waiting import wait_until

from .conftest import call

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]

TIMEOUT_S = 600.0
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
QUICK = (
    "driver.backend:=loopback",
    "driver.loopback_success_commands:=23",
    "learning.overrides:=[schedule.warmup_chunks=5, schedule.burst_rounds=20, agent.utd=2]",
    "learning.wandb:=disabled",
)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def start(runs: Path) -> Iterator:
    """Starts a container that no network reaches; its name."""
    started: list[str] = []

    def run(image: str, *words: str) -> str:
        name = f"tmrl-test-{len(started)}"
        options = ("--runtime", "runc", "--network", "none", "--shm-size", "1g", *LIMITS)
        volume = ("--volume", f"{runs}:/runs")
        call("podman", "run", "--detach", "--name", name, *options, *volume, image, *words)
        started.append(name)
        return name

    yield run
    for name in started:
        subprocess.run(["podman", "rm", "--force", "--time", "0", name], capture_output=True)


def is_running(name: str) -> bool:
    return call("podman", "inspect", "--format", "{{.State.Running}}", name).strip() == "true"


def exit_code(name: str) -> int:
    wait_until(lambda: not is_running(name), "its end", TIMEOUT_S)
    return int(call("podman", "inspect", "--format", "{{.State.ExitCode}}", name))


def said(name: str) -> str:
    done = subprocess.run(["podman", "logs", name], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_demo_learns_in_a_container_and_leaves_its_run_outside(image, start, runs: Path):
    words = ("demo", "--headless", "--episodes", "5", "--run-dir", "/runs/demo", *QUICK)
    name = start(image("robot"), *words)
    assert exit_code(name) == 0, said(name)
    report = json.loads((runs / "demo" / "report.json").read_text())
    assert report["outcomes"] == ["success"] * 5
    assert report["transitions_published"] == report["transitions_stored"] > 0


def test_a_container_that_is_stopped_ends_its_session_in_order(image, start, runs: Path):
    words = ("demo", "--headless", "--no-video", "--run-dir", "/runs/demo", *QUICK)
    name = start(image("robot"), *words, "--episodes", "1000")
    ledger = runs / "demo" / "episodes.jsonl"

    def has_labels() -> bool:
        assert is_running(name), said(name)
        return ledger.exists() and ledger.read_text().count('"labelled"') >= 3

    wait_until(has_labels, "three episodes", TIMEOUT_S)
    call("podman", "stop", "--time", "30", name)
    assert "interrupted; nothing is lost" in said(name)
    assert exit_code(name) == 130
    assert json.loads((runs / "demo" / "report.json").read_text())["episodes"] >= 3


def test_the_image_of_the_gpu_machine_serves_and_learns(image, start):
    name = start(image("gpu"), "up", "widowx_sim", "parts:=gpu", "run_dir:=/runs/gpu", *QUICK[2:])

    def is_up() -> bool:
        assert is_running(name), said(name)
        return "learning started" in said(name)

    wait_until(is_up, "server and learner", TIMEOUT_S)
    call("podman", "stop", "--time", "30", name)
    assert exit_code(name) == 0, said(name)
