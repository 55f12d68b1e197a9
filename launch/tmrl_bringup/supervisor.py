"""Runs the processes of a session: starts, watches, restarts what may be restarted, stops all.

Used where ROS's own `launch` packages are missing, and by the demo everywhere. A process is either
essential, and its death ends the session, or restartable (policy server, learner), because the arm
holds without it and nothing that was collected depends on it.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl
"""Looked up here: between fork and exec nothing may wait for a lock of another thread."""
STOP_GRACE_S = 2.0
"""From SIGTERM to SIGKILL; together with the rest of the way out, Ctrl-C takes below 3 s."""
MAX_RESTARTS = 3
RESTART_PAUSE_S = 1.0
BAD_CONFIGURATION = 2
"""Exit code of a process that refused its parameters: starting it again would not help."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process of a rig.

    Attributes:
        name: Short name, unique within the rig; names the log file.
        argv: Program and arguments.
        restartable: Whether it is started again when it dies (at most MAX_RESTARTS times).
        stop_grace_s: From SIGTERM to SIGKILL; longer for what has something to bring to rest.
        env: Variables on top of the supervisor's own environment.
    """

    name: str
    argv: tuple[str, ...]
    restartable: bool = False
    stop_grace_s: float = STOP_GRACE_S
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessEvent:
    """What happened to a process.

    Attributes:
        name: Name of the process.
        kind: "started", "restarting" or "died".
        text: One sentence for the screen.
        fatal: Whether the session cannot go on.
    """

    name: str
    kind: str
    text: str
    fatal: bool = False


def die_with_parent() -> None:
    """Runs in the child: it must not outlive the thread that started it, not even a kill -9."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def last_words(log: Path, lines: int = 3) -> str:
    """The last non-empty lines of a log, for the sentence about a death."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        text = file.read().decode(errors="replace")
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


class Supervisor:
    """Keeps the processes of one session; every method runs in one asyncio event loop."""

    def __init__(
        self,
        specs: list[ProcessSpec],
        log_dir: Path,
        on_event: Callable[[ProcessEvent], None],
    ) -> None:
        """Prepares the session; nothing is started yet.

        Args:
            specs: The processes, in the order of their start.
            log_dir: Directory of the logs, one file per process, appended to.
            on_event: Called with everything that happens to a process.
        """
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
        """Starts every process and a watcher for each."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for spec in self._specs:
            await self._spawn(spec)
            self._watchers.append(asyncio.create_task(self._watch(spec)))

    async def _spawn(self, spec: ProcessSpec) -> None:
        with self.log_of(spec.name).open("ab") as log:
            self._running[spec.name] = await asyncio.create_subprocess_exec(
                *spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.env},
                # A session of its own: Ctrl-C reaches only the supervisor, which stops in order.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._on_event(ProcessEvent(spec.name, "started", f"{spec.name} started"))

    async def _watch(self, spec: ProcessSpec) -> None:
        """Waits for the process's end and starts it again where that is allowed."""
        for attempt in range(MAX_RESTARTS + 1):
            code = await self._running[spec.name].wait()
            if self._stopping:
                return
            text = f"{spec.name} {_how_it_ended(code)}"
            if words := last_words(self.log_of(spec.name)):
                text += f": {words}"
            again = spec.restartable and attempt < MAX_RESTARTS and code != BAD_CONFIGURATION
            if not again:
                self._on_event(ProcessEvent(spec.name, "died", text, fatal=True))
                self.failed.set()
                return
            self._on_event(ProcessEvent(spec.name, "restarting", f"{text}; starting it again"))
            await asyncio.sleep(RESTART_PAUSE_S)
            if not self._stopping:
                await self._spawn(spec)

    def _specs_running(self) -> list[ProcessSpec]:
        return [spec for spec in self._specs if spec.name in self._running]

    async def _end(self, process: asyncio.subprocess.Process, grace_s: float) -> None:
        """Ends a process and all that it started."""
        if process.returncode is not None:
            return
        # It may have ended by itself a moment ago, without asyncio having noticed yet.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def stop(self) -> None:
        """Ends every process: SIGTERM, after its grace SIGKILL. Safe to call more than once."""
        self._stopping = True
        ended = [self._end(self._running[s.name], s.stop_grace_s) for s in self._specs_running()]
        await asyncio.gather(*ended)
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
