"""A probe of the simulated rig: every setting has its turn, and the end says what it means."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until
from tmrl_run.run_folder import open_run

from .conftest import FAST, TIMEOUT_S

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tmrl_cli.cli", *words]


def test_every_setting_is_tried_and_the_end_says_what_follows(
    tmp_path: Path, ros_domain_id: int
) -> None:
    run_dir, file, output = tmp_path / "run", tmp_path / "probe.json", tmp_path / "output.txt"
    server = f"policy_server.bind:=tcp://127.0.0.1:{free_port()}"
    words = ("probe", "widowx_sim", "--each", "1", "--json", str(file), *FAST, server)
    with output.open("w") as said:
        probe = subprocess.Popen(
            command(*words, f"run_dir:={run_dir}", "learning.wandb:=disabled"),
            stdout=said,
            stderr=said,
        )
    try:

        def started() -> bool:
            assert probe.poll() is None, output.read_text()
            start = command("call", "operator/start")
            return subprocess.run(start, capture_output=True).returncode == 0

        wait_until(started, "a session that can be started", TIMEOUT_S)
        code = probe.wait(timeout=TIMEOUT_S)
    finally:
        probe.kill()
    assert code == 0, output.read_text()
    settings = json.loads(file.read_text())["settings"]
    assert [each["setting"] for each in settings] == open_run(run_dir).value("agent", "probe", None)
    assert all(each["episodes"] == 1 and each["chunks"] >= 4 for each in settings)
    steering = {each.episode: each for each in open_run(run_dir).transitions()}
    by_setting = {name["setting"]: steering[n] for n, name in enumerate(settings, start=1)}
    assert by_setting["warmup"].steering == "uniform"
    assert by_setting["full@0"].steering == "explicit"
    assert by_setting["full@0.5"].sigma == 0.5
    assert abs(by_setting["repeated:1@0"].z).max() <= 1.0
    assert "Best: " in output.read_text()
