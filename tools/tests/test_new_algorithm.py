"""Does what docs/tutorials/new_algorithm.md says: files, commands, episodes with real nodes."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "new_algorithm.md").read_text(encoding="utf-8")
FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\./tmrl (.*)$", re.MULTILINE)
TIMEOUT_S = 600.0


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def commands(begins: str) -> list[list[str]]:
    """The commands of the page that begin so, without `./tmrl`."""
    return [shlex.split(line) for line in COMMAND.findall(PAGE) if line.startswith(begins)]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page, its package installed beside the environment, not into it."""
    folder = tmp_path / "cem_steering"
    for name, text in FILE.findall(PAGE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    site = tmp_path / "site"
    (argv,) = commands("run python -m pip install")
    installed = run(*argv[2 : argv.index("-e")], "--quiet", "--target", site, folder)
    assert installed.returncode == 0, installed.stderr
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ['PYTHONPATH']}")
    return folder


def test_the_actor_of_the_page_finds_what_its_critics_like(package: Path) -> None:
    tried = run(package / "try_cem.py")
    assert tried.returncode == 0, tried.stderr
    assert "the actor found" in tried.stdout


def test_it_learns_in_one_process_and_resumes_bit_equal(package: Path, tmp_path: Path) -> None:
    (argv,) = [line for line in commands("run python -m tmrl_experiments") if "cem" in line]
    quick = ("--set", "schedule.warmup_chunks=5", "--set", "schedule.warmup_successes=0")
    small = (*argv[2:], *quick, "--set", "schedule.burst_rounds=3", "--checkpoint-every", "1")
    for name in ("whole", "parted"):
        episodes = "2" if name == "whole" else "1"
        done = run(*small, "--episodes", episodes, "--run-dir", tmp_path / name)
        assert done.returncode == 0, done.stderr
    done = run(*small, "--episodes", "2", "--run-dir", tmp_path / "parted", "--resume")
    assert done.returncode == 0, done.stderr
    records = [
        json.loads((tmp_path / name / "checkpoint" / "learner.json").read_text(encoding="utf-8"))
        for name in ("whole", "parted")
    ]
    assert records[0]["metadata"]["config"]["method"] == "cem"
    assert records[0]["metadata"]["counters"]["rounds"] > 0
    assert records[0]["sha256"] == records[1]["sha256"]


def test_a_name_that_nobody_offers_is_refused_before_anything_starts() -> None:
    refused = run("-m", "tmrl_cli.cli", "up", "widowx_sim", "method:=cmm")
    assert refused.returncode == 2
    assert "cmm" in refused.stderr
    assert "tmrl, dsrl, dsrl_na, fixed-sigma" in refused.stderr


@pytest.mark.e2e
@pytest.mark.ros
def test_it_learns_over_ros(package: Path, tmp_path: Path) -> None:
    (argv,) = commands("demo --method cem")
    quick = (
        "learning.overrides:=[schedule.warmup_chunks=5, schedule.warmup_successes=0, "
        "schedule.burst_rounds=20]"
    )
    report = tmp_path / "report.json"
    done = run(
        *("-m", "tmrl_cli.cli", *argv, "--episodes", "3", "--no-video", "--headless"),
        *("--run-dir", tmp_path / "run", "--json", report, quick),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(report.read_text(encoding="utf-8"))
    assert content["method"] == "cem"
    learner = json.loads((tmp_path / "run/checkpoint/learner.json").read_text(encoding="utf-8"))
    assert learner["metadata"]["config"]["method"] == "cem"
    assert learner["metadata"]["counters"]["rounds"] > 0
