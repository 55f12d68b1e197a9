"""An import that something ends: what is kept, and what continues."""

import contextlib
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.waiting import wait_until
from tmrl_learner.offline_data import STEM, load_offline
from tmrl_run.errors import RunError
from tmrl_run.importing.cli import main
from tmrl_run.importing.half_finished import HalfFinished

from .small_import import RIG, SPEC, imported, rig, seen


def interrupt_after(monkeypatch: pytest.MonkeyPatch, episodes: int) -> None:
    """Ctrl-C once so many episodes are kept."""
    add = HalfFinished.add

    def add_until(self: HalfFinished, *arguments: Any) -> None:
        if len(self.numbers) >= episodes:
            raise KeyboardInterrupt
        add(self, *arguments)

    monkeypatch.setattr(HalfFinished, "add", add_until)


def half_finish(exported: Path, out: Path, server: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        interrupt_after(patched, 1)
        command = ["lerobot", str(exported), str(out), "--server", server, *RIG]
        assert main(command) == 130


def test_interrupted_the_same_command_continues_with_the_next_episode(
    exported: Path, server: FakePolicyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = imported(exported, tmp_path / "whole", server.endpoint, *RIG)
    half_finish(exported, tmp_path / "out", server.endpoint)
    assert "1 finished episodes are kept" in capsys.readouterr().err
    server.requests.clear()

    continued = imported(exported, tmp_path / "out", server.endpoint, *RIG)

    assert len(seen(server)) == 5 + 4, "the observations of the two others"
    for name, array in vars(whole).items():
        np.testing.assert_array_equal(getattr(continued, name), array)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{STEM}.json",
        f"{STEM}.safetensors",
    ]


def test_ctrl_c_ends_it_while_the_server_thinks(
    exported: Path, server: FakePolicyServer, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    half_finish(exported, out, server.endpoint)
    server.requests.clear()
    server.hangs = True
    command = [sys.executable, "-m", "tmrl_cli.cli", "import", "lerobot", str(exported), str(out)]
    command += ["--server", server.endpoint, *RIG]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: bool(server.requests), "a request", 120.0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert f"1 finished episodes are kept in {out}, and the same command continues" in said
    assert "Traceback" not in said


def test_a_half_finished_import_is_not_continued_for_another_policy_or_otherwise(
    exported: Path, server: FakePolicyServer, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    half_finish(exported, out, server.endpoint)
    other = replace(SPEC, policy_version="another")
    with (
        FakePolicyServer(other) as wrong,
        pytest.raises(RunError, match=r"begun with policy_version = .*continue with 'another'"),
    ):
        imported(exported, out, wrong.endpoint, *RIG)
    with pytest.raises(RunError, match=r"begun with execute_steps = 3, .*continue with 4"):
        imported(exported, out, server.endpoint, *rig(execute_steps="4"))


def test_a_server_that_fails_costs_no_finished_episode(
    exported: Path, server: FakePolicyServer, tmp_path: Path
) -> None:
    half_finish(exported, tmp_path / "out", server.endpoint)
    server.fail_with = RequestError(ErrorCode.INTERNAL, "out of memory")
    with pytest.raises(RunError, match=r"out of memory; 1 finished episodes are kept in .*out"):
        imported(exported, tmp_path / "out", server.endpoint, *RIG)
    server.fail_with = None
    assert len(imported(exported, tmp_path / "out", server.endpoint, *RIG)) == 11


class Killed(BaseException):
    """As a kill between two steps of the disk."""


def test_killed_between_any_two_files_it_continues_or_is_finished(
    exported: Path, server: FakePolicyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    whole = imported(exported, tmp_path / "whole", server.endpoint, *RIG)
    for last in range(100):
        left = last

        def replace_until(self: Path, target: Path) -> Path:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            return rename(self, target)

        out = tmp_path / f"out{last}"
        monkeypatch.setattr(Path, "replace", replace_until)
        with contextlib.suppress(Killed):
            imported(exported, out, server.endpoint, *RIG)
        monkeypatch.setattr(Path, "replace", rename)
        if left:
            break
        if not (out / f"{STEM}.json").exists():
            imported(exported, out, server.endpoint, *RIG)
        found = load_offline(out / STEM).segments
        for name, array in vars(whole).items():
            np.testing.assert_array_equal(getattr(found, name), array)
    assert last > 3


def test_what_is_there_already_is_not_touched(
    exported: Path, server: FakePolicyServer, tmp_path: Path
) -> None:
    imported(exported, tmp_path / "out", server.endpoint, *RIG)
    with pytest.raises(RunError, match="is there already"):
        imported(exported, tmp_path / "out", server.endpoint, *RIG)
    with pytest.raises(RunError, match="holds something else"):
        imported(exported, exported, server.endpoint, *RIG)
