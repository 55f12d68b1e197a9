"""Runs the processes of a session: starts, watches, restarts what may be restarted, stops all.

Used where ROS's own `launch` packages are missing, and by the demo everywhere. A process is either
essential, and its death ends the session, or restartable (policy server, learner), because the arm
holds without it and nothing that was collected depends on it. Without an optional one (recorder)
that cannot be started again the session continues.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tmrl_bringup import restarts
from tmrl_bringup.parts.part import STOP_GRACE_S
from tmrl_bringup.restarts import RestartBudget
from tmrl_common.clock import Clock, SteadyClock

_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl
"""Looked up here: between fork and exec nothing may wait for a lock of another thread."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a rig.

    Attributes:
        name: Short name, unique within the rig; names the log file.
        argv: Program and arguments.
        restartable: Whether it is started again when it dies (within its RestartBudget).
        stop_grace_s: From SIGTERM to SIGKILL; longer for what has something to bring to rest.
        env: Variables on top of the supervisor's own environment.
        optional: Whether the session continues without it.
    """

    name: str
    argv: tuple[str, ...]
    restartable: bool = False
    stop_grace_s: float = STOP_GRACE_S
    env: dict[str, str] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class ProcessEvent:
    """What happened to a process.

    Attributes:
        name: Name of the process.
        kind: "started", "restarting" or "died".
        text: One sentence for the screen.
        fatal: Whether the session cannot continue.
    """

    name: str
    kind: str
    text: str
    fatal: bool = False


def die_with_parent() -> None:
    """Runs in the child: it must not outlive the thread that started it, not even a kill -9."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Keeps the processes of one session; every method runs in one asyncio event loop."""

    def __init__(
        self,
        specs: list[ProcessSpec],
        log_dir: Path,
        on_event: Callable[[ProcessEvent], None],
        clock: Clock | None = None,
    ) -> None:
        """Prepares the session; nothing is started yet.

        Args:
            specs: The processes, in the order of their start.
            log_dir: Directory of the logs, one file per process, appended to.
            on_event: Called with everything that happens to a process.
            clock: For the budgets of restarts; None for the machine's.
        """
        self._clock = clock or SteadyClock()
        self._specs = specs
        self._log_dir = log_dir
        self._on_event = on_event
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        self.failed = asyncio.Event()

    def pid(self, name: str) -> int | None:
        """Process id of a running process, None where it does not run."""
        process = self._running.get(name)
        return process.pid if process is not None and process.returncode is None else None

    def alive(self) -> dict[str, bool]:
        """Whether each process runs, in the order of the specification."""
        return {spec.name: self.pid(spec.name) is not None for spec in self._specs}

    def log_of(self, name: str) -> Path:
        """Path of a process's log."""
        return self._log_dir / f"{name}.log"

    async def start(self) -> None:
        """Starts every process and a watcher for each; what is not optional must start."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for spec in self._specs:
            if not await self._spawn(spec):
                if spec.optional:
                    continue
                return
            self._watchers.append(asyncio.create_task(self._watch(spec)))

    async def _spawn(self, spec: ProcessSpec) -> bool:
        """Starts a process; whether that worked."""
        try:
            with self.log_of(spec.name).open("ab") as log:
                self._running[spec.name] = await asyncio.create_subprocess_exec(
                    *spec.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.env},
                    # A session of its own: Ctrl-C reaches only the supervisor, which stops all.
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        except OSError as error:
            text = f"{spec.name} cannot be started: {error}"
            self._give_up(spec, text, fatal=not spec.optional)
            return False
        self._on_event(ProcessEvent(spec.name, "started", f"{spec.name} started"))
        return True

    def _give_up(self, spec: ProcessSpec, text: str, *, fatal: bool) -> None:
        self._on_event(ProcessEvent(spec.name, "died", text, fatal=fatal))
        if fatal:
            self.failed.set()

    async def _watch(self, spec: ProcessSpec) -> None:
        """Waits for the process's end, and starts it again where that is allowed."""
        budget = RestartBudget(
            spec.name, self._clock, restartable=spec.restartable, optional=spec.optional
        )
        while True:
            code = await self._running[spec.name].wait()
            if self._stopping:
                return
            verdict = budget.on_exit(code, self.log_of(spec.name))
            if not verdict.again:
                self._give_up(spec, verdict.text, fatal=verdict.fatal)
                return
            self._on_event(ProcessEvent(spec.name, "restarting", verdict.text))
            await asyncio.sleep(restarts.RESTART_PAUSE_S)
            if self._stopping or not await self._spawn(spec):
                return

    async def _end(self, process: asyncio.subprocess.Process, grace_s: float) -> None:
        """Ends a process and all that it started."""
        if process.returncode is not None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()

    async def stop(self) -> None:
        """Ends every process: SIGTERM, after its grace SIGKILL. Safe to call more than once."""
        self._stopping = True
        # First, so that none of them starts a process behind the back of what follows.
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        graces_s = {spec.name: spec.stop_grace_s for spec in self._specs}
        ends = [self._end(each, graces_s[name]) for name, each in self._running.items()]
        await asyncio.gather(*ends)


def _signal_group(pid: int, number: signal.Signals) -> None:
    # It may have ended by itself a moment ago, without asyncio having noticed yet.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
