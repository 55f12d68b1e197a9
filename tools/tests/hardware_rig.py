"""A hardware rig without hardware: made-up arm, made-up camera, a tiny pi0 of random weights."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
import yaml

from tmrl_bringup.rig import load
from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until
from tmrl_policies.pi0.config import TINY
from tmrl_policies.pi0.inputs import rigs, testing
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, Statistics, write_statistics
from tmrl_ros.testing import NodeBench

TIMEOUT_S = 180.0
_LOG_TAIL = 4000

WEIGHTS = {"widowx": rigs.BRIDGE, "franka": rigs.DROID}


def write_policy(folder: Path, name: str) -> Path:
    """A tiny pi0 for a rig; its actions are small, so that the controller need not refuse them."""
    weights = WEIGHTS[name]
    testing.write_checkpoint(folder, weights, TINY)
    size = weights.action_dim
    spread = np.array([*[0.003] * (size - 1), 0.2])
    actions = Statistics(np.array([*[0.0] * (size - 1), 0.5]), spread, -3 * spread, 3 * spread)
    state = testing.make_statistics(weights).state
    write_statistics(folder, weights.name, RobotStatistics(state, actions))
    return folder


def write_rig(path: Path, name: str, policy: Path) -> Path:
    """A lab's own file: the shipped one with every example replaced."""
    shipped = load(name).with_examples()
    own = {
        "arm.driver": "loopback",
        "controller.horizon": TINY.horizon,
        "controller.estop_file": str(path.with_suffix(".estop")),
        "learning.wandb": "disabled",
        # One processor is shared by everything here; a lab's file keeps the shipped limits.
        "controller.max_chunk_age_s": 20.0,
        "controller.max_arm_state_age_s": 5.0,
        "agent.max_observation_age_s": 5.0,
        "agent.frozen_after_s": 0.0,
        "agent.execute_steps": 2,
        "operator.time_limit_s": 600.0,
        "operator.peer_timeout_s": 60.0,
        "operator.service_timeout_s": 60.0,
        "policy_server.endpoint": f"tcp://127.0.0.1:{free_port()}",
        "policy_server.checkpoint": str(policy),
        "policy_server.rig": WEIGHTS[name].name,
        "policy_server.dino": "none",
    }
    for number, camera in enumerate(shipped.cameras):
        size = {"serial": f"{number:012d}", "width_px": 64, "height_px": 48, "rate_hz": 5}
        own |= {f"cameras.{camera}.{key}": value for key, value in size.items()}
    rig = shipped.with_overrides(own).as_dict()
    del rig["rig"]
    path.write_text(yaml.safe_dump(rig, sort_keys=False))
    return path


@dataclass
class Rig:
    """A rig that runs: `./tmrl up` with a lab's own file, and the made-up camera beside it.

    Attributes:
        file: The lab's file.
        run_dir: Of the session.
        output: What all processes print.
        answer: What the operator said last, for the report of a wait that failed.
    """

    file: Path
    run_dir: Path
    output: Path
    answer: str = ""
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def robot(self) -> str:
        """Namespace of its nodes."""
        return load(str(self.file)).robot

    def start(self, *arguments: str) -> None:
        """Starts it; its cameras' processes are replaced by ones on made-up devices."""
        parts = "policy_server,arm,controller,agent,operator,learning"
        up = [sys.executable, "-m", "tmrl_cli.cli", "up", str(self.file)]
        self._spawn(*up, f"run_dir:={self.run_dir}", f"parts:={parts}", *arguments)
        rig = load(str(self.file))
        for camera in rig.cameras:
            parameters = self.output.with_name(f"{camera}.yaml")
            given = rig.parts[f"cameras.{camera}"]
            parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(given)}}))
            argv = [sys.executable, "-m", "tmrl_camera.testing", "--ros-args"]
            self._spawn(*argv, "-r", f"__ns:=/{rig.robot}", "--params-file", str(parameters))

    def _spawn(self, *argv: str) -> None:
        with self.output.open("ab") as output:
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self._processes.append(
                subprocess.Popen(argv, stdout=output, stderr=output, env=environment)
            )

    def family(self) -> list[psutil.Process]:
        """Everything that was started, and what that started."""
        roots = [psutil.Process(p.pid) for p in self._processes if p.poll() is None]
        return [each for root in roots for each in (root, *root.children(recursive=True))]

    def interrupt(self) -> int:
        """What Ctrl-C does; the exit code of `up`. Nothing may be left running."""
        family = self.family()
        for process in self._processes:
            process.terminate()
        code = self._processes[0].wait(timeout=TIMEOUT_S)
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE], "processes are left"
        return code

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for a condition; a rig that dies meanwhile ends the wait."""

        def holds() -> bool:
            assert self._processes[0].poll() is None, self.output.read_text()
            return condition()

        try:
            wait_until(holds, what, TIMEOUT_S)
        except TimeoutError as error:
            error.add_note(f"last answer: {self.answer}\n{self.output.read_text()}")
            for log in sorted(self.run_dir.glob("logs/*.log")):
                error.add_note(f"--- {log.name}\n{log.read_text()[-_LOG_TAIL:]}")
            raise

    def close(self) -> None:
        """Ends what a failed test left behind."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def failed_checks(file: Path) -> tuple[list[str], str]:
    """Names of the checks that `./tmrl doctor` fails, and all that it says.

    How punctually this machine wakes is no matter of the rig: other tests may keep it busy.
    """
    command = [sys.executable, "-m", "tmrl_cli.cli", "doctor", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert not done.stderr, done.stderr
    rows = [[cell.strip() for cell in line.split("│")] for line in done.stdout.splitlines()]
    failed = {row[1]: row[3] for row in rows if len(row) > 3 and row[2] == "failed"}
    assert done.returncode == int(bool(failed)), done.stdout
    late = {name for name, seen in failed.items() if "Hz are expected" in seen}
    return [name for name in failed if name not in late | {"real-time jitter"}], done.stdout


def chunks(run_dir: Path, episode: int) -> int:
    """How many chunks of an episode were executed and stored."""
    journal = run_dir / "journal.sqlite"
    if not journal.exists():
        return 0
    with contextlib.closing(sqlite3.connect(journal)) as connection:
        query = "SELECT count(*) FROM transitions WHERE episode = ? AND steps > 0"
        with contextlib.suppress(sqlite3.OperationalError):
            return connection.execute(query, (episode,)).fetchone()[0]
    return 0


@contextlib.contextmanager
def person(domain_id: int) -> Iterator[Callable[..., Any]]:
    """A function that calls a service as a person would, and returns its answer."""
    with NodeBench(domain_id, "person", {}, TIMEOUT_S) as bench:
        node = bench.add(lambda: rclpy.create_node("person"))

        def call(kind: Any, name: str, **fields: object) -> Any:
            client = node.create_client(kind, name)
            try:
                return bench.call(client, **fields)
            finally:
                node.destroy_client(client)

        yield call
