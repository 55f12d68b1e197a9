"""The supervisor: what dies is named, what may be restarted is, and nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tmrl_bringup.parts.part import STOP_GRACE_S
from tmrl_bringup.restarts import (
    BAD_CONFIGURATION,
    MAX_RESTARTS,
    RESTART_WINDOW_S,
    RestartBudget,
)
from tmrl_bringup.supervisor import (
    ProcessEvent,
    ProcessSpec,
    Supervisor,
)
from tmrl_common.testing import FakeClock

_TIMEOUT_S = 120.0
SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(1000)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(1000)",
)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.02)


def failing(code: int) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys; print('port 5760 is taken'); sys.exit({code})")


def run(
    specs: list[ProcessSpec],
    folder: Path,
    story: "object",
    events: list[ProcessEvent] | None = None,
) -> list[ProcessEvent]:
    """Runs a story against a supervisor and stops it; the events, which a story may watch."""
    events = [] if events is None else events

    async def main() -> None:
        supervisor = Supervisor(specs, folder, events.append)
        await supervisor.start()
        try:
            await story(supervisor)  # type: ignore[operator]
        finally:
            await supervisor.stop()
        assert not any(supervisor.alive().values())

    asyncio.run(main())
    return events


def test_death_of_an_essential_process_is_fatal_and_named(tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await until(supervisor.failed.is_set)

    events = run([ProcessSpec("driver", SLEEP), ProcessSpec("agent", failing(1))], tmp_path, story)
    assert events[-1].fatal
    assert "agent ended with 1: port 5760 is taken" in events[-1].text


def test_restartable_process_comes_back_after_kill_9(tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        first = supervisor.pid("learner")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pid("learner") not in (None, first))
        assert not supervisor.failed.is_set()

    events = run([ProcessSpec("learner", SLEEP, restartable=True)], tmp_path, story)
    assert "learner was killed by SIGKILL" in next(e for e in events if e.kind == "restarting").text


@pytest.mark.parametrize(("code", "starts"), [(1, 1 + MAX_RESTARTS), (BAD_CONFIGURATION, 1)])
def test_restarts_are_bounded_and_pointless_ones_left_out(
    tmp_path: Path, code: int, starts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmrl_bringup.restarts.RESTART_PAUSE_S", 0.01)

    async def story(supervisor: Supervisor) -> None:
        await until(supervisor.failed.is_set)

    events = run([ProcessSpec("server", failing(code), restartable=True)], tmp_path, story)
    assert sum(e.kind == "started" for e in events) == starts


@pytest.mark.parametrize("argv", [failing(BAD_CONFIGURATION), ("/no/such/program",)])
def test_a_session_continues_without_an_optional_process(
    tmp_path: Path, argv: tuple[str, ...]
) -> None:
    events: list[ProcessEvent] = []

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: any(e.kind == "died" for e in events))
        assert supervisor.alive() == {"recorder": False, "driver": True}
        assert not supervisor.failed.is_set()

    recorder = ProcessSpec("recorder", argv, restartable=True, optional=True)
    run([recorder, ProcessSpec("driver", SLEEP)], tmp_path, story, events)
    (died,) = [e for e in events if e.kind == "died"]
    assert not died.fatal


def test_the_budget_of_restarts_is_per_hour_not_per_life(tmp_path: Path) -> None:
    clock = FakeClock()
    budget = RestartBudget("learning", clock, restartable=True)
    log = tmp_path / "learning.log"
    for _ in range(3 * MAX_RESTARTS):
        assert budget.on_exit(1, log).again
        clock.advance(RESTART_WINDOW_S / MAX_RESTARTS)
    assert [budget.on_exit(1, log).again for _ in range(MAX_RESTARTS)][-1] is False


def test_a_program_that_does_not_exist_ends_the_session_with_a_sentence(tmp_path: Path) -> None:
    async def story(supervisor: Supervisor) -> None:
        await until(supervisor.failed.is_set)

    missing = ProcessSpec("agent", (str(tmp_path / "absent"),))
    events = run([ProcessSpec("driver", SLEEP), missing], tmp_path, story)
    assert events[-1].text.startswith("agent cannot be started: ")
    assert events[-1].fatal


@pytest.mark.parametrize("delay_s", [0.0, 0.005, 0.02, 0.05])
def test_ending_never_raises_while_processes_end_by_themselves(
    tmp_path: Path, delay_s: float
) -> None:
    ends = (sys.executable, "-S", "-c", f"import time; time.sleep({delay_s})")
    specs = [ProcessSpec(f"node{i}", ends, stop_grace_s=delay_s) for i in range(8)]

    async def story(_: Supervisor) -> None:
        await asyncio.sleep(delay_s)

    run(specs, tmp_path, story)


def test_ending_during_a_restart_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmrl_bringup.restarts.RESTART_PAUSE_S", 0.0)
    monkeypatch.setattr("tmrl_bringup.restarts.MAX_RESTARTS", 10_000)
    mark = f"restarted-in-{tmp_path.name}-{os.getpid()}"
    ends = ("/bin/sh", "-c", "exit 1", mark)

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: supervisor.log_of("learner").exists())

    for _ in range(20):
        run([ProcessSpec("learner", ends, restartable=True)], tmp_path, story)
    left = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]


def test_stop_ends_processes_that_ignore_the_polite_signal(tmp_path: Path) -> None:
    pids: list[int] = []

    async def story(supervisor: Supervisor) -> None:
        pids.append(supervisor.pid("stubborn") or 0)
        await until(lambda: "up" in supervisor.log_of("stubborn").read_text())

    run([ProcessSpec("stubborn", STUBBORN)], tmp_path, story)
    assert not psutil.pid_exists(pids[0])


def test_processes_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from pathlib import Path
from tmrl_bringup.supervisor import ProcessSpec, Supervisor

async def main():
    supervisor = Supervisor([ProcessSpec("child", {SLEEP!r})], Path({str(tmp_path)!r}), print)
    await supervisor.start()
    print(supervisor.pid("child"), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        lines = (line.strip() for line in parent.stdout)
        child = psutil.Process(int(next(line for line in lines if line.isdigit())))
        parent.kill()
    gone, _ = psutil.wait_procs([child], timeout=_TIMEOUT_S)
    assert gone or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_with_something_to_bring_to_rest_gets_the_time_for_it(tmp_path: Path) -> None:
    rest = tmp_path / "at_rest"
    brakes = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        f"    time.sleep({STOP_GRACE_S + 1.0}); pathlib.Path({str(rest)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop); print('up', flush=True); time.sleep(1000)"
    )
    spec = ProcessSpec("arm", (sys.executable, "-c", brakes), stop_grace_s=_TIMEOUT_S)

    async def story(supervisor: Supervisor) -> None:
        await until(lambda: "up" in supervisor.log_of("arm").read_text())

    run([spec], tmp_path / "logs", story)
    assert rest.exists()
