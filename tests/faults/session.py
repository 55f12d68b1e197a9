"""One session of the stack as a user starts it: its processes, its domain, its end."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tmrl_bringup.parts import PARTS, SERVER
from tmrl_common.testing.waiting import wait_until

from .plan import COMMAND

_MARK = "TMRL_FAULTS_RUN"
"""Variable that every process of the session inherits, whoever its parent is by now."""
_START_S = 60.0
_END_S = 60.0
_LEFT_S = 20.0
_DOMAIN = re.compile(r"ROS domain (\d+)")
_FAST = (
    "driver.backend:=loopback",
    "driver.loopback_success_commands:=23",
    "recorder.robot:=widowx",
    "recorder.images:=none",
    "learning.wandb:=disabled",
    "learning.overrides:=[schedule.warmup_chunks=5, schedule.warmup_successes=1, "
    "schedule.burst_rounds=20, agent.utd=2]",
)
"""Everything is real but the arm, and what is learned is looked at elsewhere."""
_PACED = (
    "driver.real_time_factor:=2.0",
    "controller.pacing:=state",
    "agent.lock_step:=false",
    "operator.time_limit_s:=2000.0",
)
"""The world does not wait for commands, as it does in lock-step: they expire."""


@dataclass
class Session:
    """The lives of one run: started, and resumed, on the same run directory.

    Attributes:
        run_dir: Of the run.
        door: Port at which agent and learner look for the policy server.
        server: Port at which it really listens.
        seed: Of the session.
        lives: How often it was started.
    """

    run_dir: Path
    door: int
    server: int
    seed: int = 0
    lives: int = 0
    _mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def terminal(self) -> Path:
        """What the newest life wrote to its terminal."""
        return self.run_dir.with_name(f"terminal_{self.lives}.txt")

    def start(self, episodes: int, *, paced: bool) -> None:
        """Starts it, or resumes what is there.

        Args:
            episodes: After so many in all it ends by itself.
            paced: Whether the world runs by itself.
        """
        command = [sys.executable, "-m", "tmrl_cli.cli", "demo", "--no-video"]
        command += ["--resume"] if self.lives else []
        command += ["--run-dir", str(self.run_dir), "--episodes", str(episodes)]
        command += ["--seed", str(self.seed), *_FAST, *(_PACED if paced else ())]
        command += [f"policy_server.endpoint:=tcp://127.0.0.1:{self.door}"]
        command += [f"policy_server.bind:=tcp://127.0.0.1:{self.server}"]
        self.lives += 1
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", _MARK: self._mark}
        with self.terminal.open("wb") as terminal:
            self._process = subprocess.Popen(
                command, stdout=terminal, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def exit_code(self) -> int | None:
        """Of the newest life; None while it runs, and before the first."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether a life has begun and not ended."""
        return self._process is not None and self._process.poll() is None

    def domain(self) -> int:
        """ROS domain of the newest life, as it says itself before it starts anything.

        Raises:
            RuntimeError: It ended, or said nothing.
        """
        wait_until(lambda: self._domain() or not self.running, "the session's start", _START_S)
        found = self._domain()
        if found is None:
            raise RuntimeError(f"the session did not start: {self.last_words()}")
        return int(found[1])

    def _domain(self) -> re.Match[str] | None:
        return _DOMAIN.search(self.terminal.read_text(errors="replace"))

    def last_words(self) -> str:
        """The end of what the newest life wrote to its terminal."""
        return " | ".join(self.terminal.read_text(errors="replace").splitlines()[-8:])

    def process(self, target: str) -> psutil.Process | None:
        """The process of a part, or of the command; None where it does not run."""
        if self._process is None or not self.running:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            command = psutil.Process(self._process.pid)
            if target == COMMAND:
                return command
            part = PARTS[target]
            words = part.executable if target == SERVER else f"/{part.package}/{part.executable}"
            for child in command.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if words in " ".join(child.cmdline()) and _lives(child):
                        return child
        return None

    def interrupt(self) -> None:
        """Asks it to end, as Ctrl-C does."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGINT)

    def wait_for_end(self) -> bool:
        """Waits for the end of the command; one that does not end in time is killed.

        Returns:
            Whether it ended by itself.
        """
        assert self._process is not None
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True

    def left(self) -> list[str]:
        """What of it still runs some time after its end; that is ended here."""
        ends_s = time.monotonic() + _LEFT_S
        while (family := list(self._family())) and time.monotonic() < ends_s:
            psutil.wait_procs(family, timeout=0.2)
        names: list[str] = []
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                names.append(" ".join(process.cmdline())[:200])
                process.kill()
        return names

    def _family(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_MARK) == self._mark and _lives(process):
                    yield process


def _lives(process: psutil.Process) -> bool:
    return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
