"""Does what docs/tutorials/own_robot.md says: files, commands, an episode with real nodes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tmrl_common.ports import free_port

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from .hardware_rig import TIMEOUT_S, Rig, chunks, failed_checks

pytestmark = [pytest.mark.e2e, pytest.mark.ros]

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "own_robot.md"
FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"^\./tmrl (call .*)$", re.MULTILINE)
GENEROUS_TIMEOUTS = {
    "controller": {"max_chunk_age_s": 20.0, "max_arm_state_age_s": 5.0},
    "agent": {"max_observation_age_s": 5.0},
    "operator": {"time_limit_s": 600.0},
}
"""One processor is shared by everything here; a lab keeps the values of the page."""


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


@pytest.fixture
def toy(tmp_path: Path, ros_domain_id: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the page, its package installed, its policy made."""
    folder = tmp_path / "toy"
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    site = tmp_path / "site"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", site)
    installed = run("-m", "pip", "install", *options, folder)
    assert installed.returncode == 0, installed.stderr
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ['PYTHONPATH']}")
    made = run(folder / "make_policy.py", folder / "policy")
    assert made.returncode == 0, made.stderr
    return folder


def slow_rig(folder: Path) -> Path:
    """The rig file of the page, with this test's port and path, and more time for everything."""
    rig = yaml.safe_load((folder / "toy.yaml").read_text(encoding="utf-8"))
    for part, values in GENEROUS_TIMEOUTS.items():
        rig[part] |= values
    rig["policy_server"] = {
        "endpoint": f"tcp://127.0.0.1:{free_port()}",
        "checkpoint": str(folder / "policy"),
    }
    path = folder / "slow.yaml"
    path.write_text(yaml.safe_dump(rig, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def rig(toy: Path) -> Iterator[Rig]:
    made = Rig(slow_rig(toy), toy / "run", toy / "output.txt")
    with subprocess.Popen([sys.executable, toy / "perception.py"]) as perception:
        try:
            yield made
        finally:
            made.close()
            perception.kill()


def test_the_driver_of_the_page_keeps_the_contract(toy: Path) -> None:
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", toy / "test_toy_arm.py")

    assert done.returncode == 0, done.stdout
    assert re.search(r"1\d passed, 3 skipped", done.stdout), done.stdout


def test_the_rig_of_the_page_runs_an_episode(rig: Rig) -> None:
    failed, text = failed_checks(rig.file)
    assert not failed, text
    assert "toy gantry" in text

    rig.start()
    for arguments in CALL.findall(PAGE.read_text(encoding="utf-8")):
        if "label" in arguments:
            rig.wait_until(lambda: chunks(rig.run_dir, 1) >= 3, "three chunks")
        command = ("-m", "tmrl_cli.cli", *arguments.split())
        rig.wait_until(lambda command=command: run(*command).returncode == 0, arguments)
    assert rig.interrupt() == 0, rig.output.read_text()

    ledger = map(json.loads, (rig.run_dir / "episodes.jsonl").read_text().splitlines())
    assert next(e["outcome"] for e in ledger if e["event"] == "labelled") == "FAILURE"
