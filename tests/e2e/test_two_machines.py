"""Robots and GPU machine, as commands with nothing between them but the policy server's port.

Each has a ROS domain of its own, so DDS connects nothing.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import domain_coordinator
import pytest

from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transition_copy import FILE_NAME, TransitionCopy

from .conftest import FAST, TIMEOUT_S

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

EPISODES = 3


@dataclass
class Machine:
    """One `./tmrl up` with the parts of one machine."""

    parts: str
    folder: Path
    domain: int
    server: str
    robot: str = "widowx"
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def run_dir(self) -> Path:
        """All machines have one of the same name: the name is the session's."""
        return self.folder / f"{self.parts}_{self.robot}" / "run"

    def command(self, *words: str) -> "subprocess.Popen[bytes]":
        self.run_dir.parent.mkdir(parents=True, exist_ok=True)
        with (self.run_dir.parent / "output.txt").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tmrl_cli.cli", *words],
                stdout=output,
                stderr=output,
                env={**os.environ, "ROS_DOMAIN_ID": str(self.domain), "PYTHONUNBUFFERED": "1"},
            )

    def start(self, *overrides: str) -> None:
        self.process = self.command(
            "up",
            "widowx_sim",
            f"robot:={self.robot}",
            f"parts:={self.parts}",
            f"run_dir:={self.run_dir}",
            f"episodes:={EPISODES}",
            f"policy_server.bind:={self.server}",
            "learning.wandb:=disabled",
            *FAST,
            *overrides,
        )

    def ask(self, service: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return self.command("call", service).wait(timeout=TIMEOUT_S) == 0

    def said(self) -> str:
        texts = [self.run_dir.parent / "output.txt", *sorted(self.run_dir.glob("logs/*.log"))]
        return "\n".join(f"--- {path}\n{path.read_text()[-3000:]}" for path in texts)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=TIMEOUT_S)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=TIMEOUT_S)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    server = f"tcp://127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:

        def make(parts: str, robot: str = "widowx") -> Machine:
            domain = stack.enter_context(domain_coordinator.domain_id())
            made = Machine(parts, tmp_path, domain, server, robot)
            stack.callback(made.close)
            return made

        yield make


def labelled(robot: Machine) -> int:
    ledger = robot.run_dir / "episodes.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return sum(json.loads(line)["event"] == "labelled" for line in lines)


def journalled(robot: Machine) -> int:
    with contextlib.closing(sqlite3.connect(robot.run_dir / "journal.sqlite")) as connection:
        return connection.execute("SELECT max(sequence) FROM transitions").fetchone()[0]


def closed(robot: Machine) -> int:
    """Episodes whose last transition, which has the label, is in the journal."""
    query = "SELECT count(DISTINCT episode) FROM transitions WHERE terminated OR truncated"
    with contextlib.closing(sqlite3.connect(robot.run_dir / "journal.sqlite")) as connection:
        return connection.execute(query).fetchone()[0]


def copied(gpu: Machine, robot: str = "widowx") -> set[int]:
    with contextlib.closing(TransitionCopy(gpu.run_dir / FILE_NAME)) as copy:
        return copy.numbers((robot, "run"))


def play(robot: Machine, gpu: Machine) -> None:
    """Runs the session's episodes until the learner has every transition of them."""
    try:
        wait_until(lambda: robot.ask("operator/start"), "the start", TIMEOUT_S)
        wait_until(
            lambda: labelled(robot) == EPISODES,
            "the episodes",
            TIMEOUT_S,
            progress=lambda: labelled(robot),
        )
        wait_until(lambda: closed(robot) == EPISODES, "their last transitions", TIMEOUT_S)
        wait_until(
            lambda: len(copied(gpu, robot.robot)) == journalled(robot),
            "every transition",
            TIMEOUT_S,
        )
    except TimeoutError as error:
        error.add_note(robot.said())
        error.add_note(gpu.said())
        raise
    assert copied(gpu, robot.robot) == set(range(1, journalled(robot) + 1))


def counters(gpu: Machine) -> dict[str, int]:
    saved = json.loads((gpu.run_dir / "checkpoint" / "learner.json").read_text())
    return saved["metadata"]["counters"]


def test_a_session_learns_on_another_machine_through_one_port(
    machine: Callable[..., Machine],
) -> None:
    gpu, robot = machine("gpu"), machine("robot")
    gpu.start()
    robot.start()
    play(robot, gpu)
    assert robot.stop() == gpu.stop() == 0, robot.said() + gpu.said()
    assert counters(gpu)["stored"] == journalled(robot)
    assert counters(gpu)["rounds"] > 0
    assert not (robot.run_dir / "checkpoint").exists(), "nothing learned on the robot's machine"


def test_a_second_arm_joins_a_running_learner_and_survives_the_first(
    machine: Callable[..., Machine],
) -> None:
    gpu, first, second = machine("gpu"), machine("robot"), machine("robot", "left")
    gpu.start("learning.robots:=[left]")
    first.start()
    play(first, gpu)
    assert copied(gpu, "left") == set()
    assert first.process is not None
    first.process.kill()
    second.start("seed:=7")
    play(second, gpu)
    assert second.stop() == gpu.stop() == 0, second.said() + gpu.said()
    assert counters(gpu)["stored"] == journalled(first) + journalled(second)
    assert counters(gpu)["refused"] == counters(gpu)["lost"] == 0
