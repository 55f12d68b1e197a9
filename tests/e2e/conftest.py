"""A demo session as a user starts it, on the loopback arm: everything real but the physics."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from tmrl_common.testing.waiting import wait_until

TIMEOUT_S = 180.0
"""Longest time in which a session may add nothing to its run directory."""
FAST = (
    "driver.backend:=loopback",
    "driver.loopback_success_commands:=23",
    "learning.overrides:=[schedule.warmup_chunks=5, schedule.warmup_successes=1, "
    "schedule.burst_rounds=20, agent.utd=2]",
)
"""The loopback arm solves the task after 23 steps, or as soon as its gripper is open then. What is
learned is looked at elsewhere: here the learner need not work for long."""


@dataclass
class Demo:
    """One run of `./tmrl demo`.

    Attributes:
        run_dir: Directory of the run.
        process: The command; None before the start.
        output: What it wrote to the terminal, once it has ended.
    """

    run_dir: Path
    process: "subprocess.Popen[bytes] | None" = None
    output: str = ""
    _family: list[psutil.Process] = field(default_factory=list)

    def start(self, *arguments: str, headless: bool = True) -> None:
        command = [sys.executable, "-m", "tmrl_cli.cli", "demo", "--no-video"]
        command += ["--headless"] if headless else []
        command += ["--run-dir", str(self.run_dir), *arguments]
        with self._terminal.open("w") as terminal:
            self.process = subprocess.Popen(
                command,
                stdout=terminal,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def _terminal(self) -> Path:
        """File that stands for the terminal."""
        return self.run_dir.with_name(f"{self.run_dir.name}-terminal.txt")

    def part(self, name: str) -> psutil.Process:
        """The process of one part, waited for."""
        markers = {
            "policy_server": "tmrl_policy_server",
            "learning": "tmrl_learning/learning",
            "controller": "tmrl_controller/controller",
            "agent": "tmrl_agent/agent",
            "console": "tmrl_console/console",
            "operator": "tmrl_operator/operator",
            "driver": "tmrl_sim/sim",
            "recorder": "tmrl_recorder/recorder",
            "teleop": "tmrl_teleop/teleop",
        }
        found: list[psutil.Process] = []

        def search() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self._written()
            self._family = psutil.Process(self.process.pid).children(recursive=True)
            for child in self._family:
                try:
                    if markers[name] in " ".join(child.cmdline()):
                        found.append(child)
                except psutil.NoSuchProcess:
                    continue
            return bool(found)

        wait_until(search, f"the process of {name}", TIMEOUT_S)
        return found[0]

    def domain(self) -> int:
        """ROS domain of the session: what its processes were given."""
        return int(self.part("operator").environ()["ROS_DOMAIN_ID"])

    @contextlib.contextmanager
    def service(self, kind: Any, name: str) -> Iterator[Callable[[Any], Any]]:
        """A function that calls a service of the session and waits for the answer."""
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=self.domain())
        node = rclpy.create_node("caller", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        client = node.create_client(kind, name)

        def call(request: Any) -> Any:
            assert client.wait_for_service(timeout_sec=TIMEOUT_S)
            future = client.call_async(request)
            executor.spin_until_future_complete(future, timeout_sec=TIMEOUT_S)
            return future.result()

        try:
            yield call
        finally:
            node.destroy_node()
            context.try_shutdown()

    def wait_for_running(self, episode: int) -> None:
        """Waits until an episode has begun and something was done in it."""

        def begun() -> bool:
            path = self.run_dir / "journal.sqlite"
            if not path.exists():
                return False
            with contextlib.closing(sqlite3.connect(path)) as journal:
                query = "SELECT count(*) FROM transitions WHERE episode = ?"
                with contextlib.suppress(sqlite3.OperationalError):
                    return journal.execute(query, (episode,)).fetchone()[0] > 0
            return False

        self._wait(begun, f"the first chunk of episode {episode}")

    def episodes(self) -> int:
        """Labelled episodes so far."""
        ledger = self.run_dir / "episodes.jsonl"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return sum('"labelled"' in line for line in lines)

    def wait_for_episodes(self, count: int) -> None:
        def reached() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self._written()
            return self.episodes() >= count

        self._wait(reached, f"{count} episodes")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Waits as long as the session works: a busy machine may need minutes for its updates."""
        wait_until(condition, what, TIMEOUT_S, progress=self._work)

    def _work(self) -> int:
        """Bytes in the run directory: each transition, label, row of metrics and log line adds.

        Those of wandb do not count: it samples the machine, whatever the session does.
        """
        sizes = 0
        for path in self.run_dir.rglob("*"):
            if "wandb" in path.relative_to(self.run_dir).parts:
                continue
            with contextlib.suppress(FileNotFoundError):
                sizes += path.stat().st_size
        return sizes

    def _written(self) -> str:
        return self._terminal.read_text()

    def finish(self) -> int:
        """Waits for the end; the exit code. Nothing of it may be left running."""
        assert self.process is not None
        if self.process.poll() is None:
            self._family = psutil.Process(self.process.pid).children(recursive=True)
        self._wait(lambda: self.process is None or self.process.poll() is not None, "its end")
        self.output = self._written()
        _, alive = psutil.wait_procs(self._family, timeout=60)
        assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE], "processes are left"
        return self.process.returncode

    def report(self) -> dict[str, Any]:
        return json.loads((self.run_dir / "report.json").read_text())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "run")
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.process.kill()
        demo.process.wait()
