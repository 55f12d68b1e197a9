"""Runs one demo session: the processes, the view, the end, the report."""

import asyncio
import contextlib
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import domain_coordinator
from rich.console import Console
from rich.live import Live

from tmrl_bringup.console_address import announce, forget_address
from tmrl_bringup.end_signals import when_asked_to_end
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.parts import CONSOLE
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import Rig, RigError, load, parse_overrides
from tmrl_bringup.rundir import has_history, prepare_run_dir, refuse_lost_journal
from tmrl_bringup.supervisor import ProcessEvent, Supervisor
from tmrl_common.ports import free_port
from tmrl_common.storage import prepare_file
from tmrl_demo.monitor import Monitor
from tmrl_demo.options import DemoOptions
from tmrl_demo.record import IDLE, SessionRecord
from tmrl_demo.report import (
    SessionFacts,
    draw,
    journalled,
    read_history,
    summarise,
    write_json,
)
from tmrl_demo.view import Header, render

RIG = "widowx_sim"
_REAL_TIME = {
    "driver.real_time_factor": 1.0,
    "controller.pacing": "state",
    "agent.lock_step": False,
}
EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_REFRESH_S = 0.25
_START_TIMEOUT_S = 90.0
_DRAIN_S = 15.0
_SERVICE_S = 5.0


@dataclass(frozen=True)
class Ending:
    """Why and how a session ended.

    Attributes:
        reason: One sentence.
        exit_code: Of the command.
        last_episode: Newest labelled episode when the success rate was reached; one that began
            before the operator had stopped belongs to no figure. None where all belong.
    """

    reason: str
    exit_code: int
    last_episode: int | None = None


def open_run_dir(options: DemoOptions) -> Path:
    """The run directory, new or to be resumed.

    Raises:
        RigError: It has a session and --resume was not given, or the other way round.
    """
    if options.run_dir is not None:
        refuse_lost_journal(options.run_dir)
    # Asked before it is made: a mistyped name leaves no directory behind.
    if options.resume and not (options.run_dir and has_history(options.run_dir)):
        raise RigError(
            f"{options.run_dir} holds no session to resume; check the name, or leave --resume out"
        )
    run_dir = prepare_run_dir(options.run_dir)
    if not options.resume and has_history(run_dir):
        raise RigError(
            f"{run_dir} holds a session; add --resume to continue, or choose another one"
        )
    return run_dir


def resolve_rig(options: DemoOptions, run_dir: Path) -> Rig:
    """The demo's rig with everything from the command line applied."""
    session = SessionOptions(
        run_dir=run_dir,
        method=options.method,
        seed=options.seed,
        label=options.label,
        max_episodes=options.episodes,
        sigma=options.sigma,
    )
    rig = load(RIG).with_overrides({"policy_server.bind": f"tcp://127.0.0.1:{free_port()}"})
    pace = _REAL_TIME if options.real_time else {}
    return session.apply(rig.with_overrides(pace | parse_overrides(options.overrides)))


class DemoSession:
    """One run of the demo.

    Args:
        options: The command line.
        run_dir: Directory of the run.
        rig: With every parameter resolved.
    """

    def __init__(self, options: DemoOptions, run_dir: Path, rig: Rig) -> None:
        self.options = options
        self.run_dir = run_dir
        self.rig = rig
        self.record = SessionRecord(control_period_s=float(rig.parts["driver"]["control_period_s"]))
        self.header = Header(options.method, options.seed, options.episodes, str(run_dir))
        self.console = Console()
        processes = describe(rig, run_dir, _parts(options, rig))
        self._supervisor = Supervisor(processes, run_dir / "logs", self._on_event)
        self._interrupted = asyncio.Event()
        self._started_s = time.monotonic()
        self._printed = 0
        self._trouble_shown: list[str] = []
        self._started = False
        self._fatal = ""

    def _on_event(self, event: ProcessEvent) -> None:
        if event.kind == "started":
            return
        self.record.events.append(event.text)
        if event.fatal:
            self._fatal = f"{event.text} (log: {self._supervisor.log_of(event.name)})"
        if self.options.headless:
            self.console.print(event.text, style="red", highlight=False, soft_wrap=True)

    @property
    def wall_s(self) -> float:
        """Wall time since the processes were started."""
        return time.monotonic() - self._started_s

    async def run(self) -> Ending:
        """Runs the processes until the session is over, then ends them."""
        when_asked_to_end(asyncio.get_running_loop(), self._interrupted.set)
        self._load_past()
        forget_address(self.run_dir)
        address = asyncio.create_task(announce(self.run_dir, self._print))
        monitor = Monitor(f"/{self.rig.robot}", self.run_dir.name, self.record)
        try:
            await self._supervisor.start()
            with self._screen() as live:
                ending = await self._until_end(monitor, live)
                if ending.exit_code == EXIT_OK:
                    await self._drain(monitor)
        finally:
            address.cancel()
            await self._supervisor.stop()
            monitor.close()
        return ending

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _load_past(self) -> None:
        if self.options.resume:
            past = read_history(self.run_dir, self.rig.robot)
            self.record.episodes = {e.number: e for e in past.episodes}
            self._printed = self.record.finished

    def _screen(self) -> contextlib.AbstractContextManager["Live | None"]:
        if self.options.headless:
            return contextlib.nullcontext()
        return Live(console=self.console, refresh_per_second=4, transient=False)

    def _show(self, live: Live | None) -> None:
        if live is not None:
            live.update(render(self.record, self.header, self._supervisor.alive(), self.wall_s))
            return
        for sentence in self.record.trouble if self._started else []:
            if sentence not in self._trouble_shown:
                self.console.print(sentence, style="yellow", highlight=False, soft_wrap=True)
        self._trouble_shown = self.record.trouble
        for episode in self.record.in_order[self._printed : self.record.finished]:
            self._printed += 1
            self.console.print(
                f"episode {episode.number}: {episode.outcome.name.lower()}"
                f"{f' ({episode.detail})' if episode.detail else ''}, "
                f"last 20: {self.record.success_last_window:.0%}, "
                f"{self.record.robot_minutes:.1f} robot min, {self.wall_s / 60:.1f} wall min, "
                f"{self.record.learner.rounds} rounds",
                highlight=False,
                soft_wrap=True,
            )

    async def _until_end(self, monitor: Monitor, live: Live | None) -> Ending:
        while True:
            self._show(live)
            ending = self._ending()
            if ending is not None:
                self._show(live)
                return ending
            if not self._started:
                refusal = await asyncio.to_thread(monitor.start_session, _SERVICE_S)
                # The answer may get lost on a busy machine: the session's state says so as well.
                self._started = refusal == "" or self.record.has_begun
                self.record.state_reason = refusal
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupted.wait(), _REFRESH_S)

    def _ending(self) -> Ending | None:
        """Why the session is over; None while it continues."""
        if self._interrupted.is_set():
            again = f"./tmrl demo --run-dir {self.run_dir} --resume continues"
            return Ending(f"interrupted; nothing is lost: {again}", EXIT_INTERRUPTED)
        if self._supervisor.failed.is_set():
            return Ending(self._fatal, EXIT_FAILED)
        if not self._started and self.wall_s > _START_TIMEOUT_S:
            reason = self.record.state_reason or "no node answered"
            return Ending(f"not started after {_START_TIMEOUT_S:g} s: {reason}", EXIT_FAILED)
        target = self.options.until_success
        if target is not None and self.record.reached(target):
            reason = f"success rate {target:.0%} over the last 20 episodes"
            return Ending(reason, EXIT_OK, self.record.last_labelled)
        if (
            self._started
            and self.record.finished >= self.options.episodes
            and self.record.state == IDLE
        ):
            return Ending(f"{self.options.episodes} episodes", EXIT_OK)
        return None

    async def _drain(self, monitor: Monitor) -> None:
        """Waits until the agent has journalled every labelled episode and the learner stored it."""
        await asyncio.to_thread(monitor.stop_session, _SERVICE_S)
        deadline_s = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline_s and not self._interrupted.is_set():
            sequence, labelled = journalled(self.run_dir, self.rig.robot)
            stored = self.record.learner.contiguous_sequence >= sequence
            if stored and labelled >= self.record.finished:
                return
            await asyncio.sleep(_REFRESH_S)


def _parts(options: DemoOptions, rig: Rig) -> tuple[str, ...]:
    """Without a view on the screen nobody looks at a page either."""
    return tuple(p for p in select_parts(rig) if p != CONSOLE or not options.headless)


def _facts(session: DemoSession, ending: Ending, past: dict[str, object]) -> SessionFacts:
    server = session.rig.parts["policy_server"]
    return SessionFacts(
        method=session.options.method,
        seed=session.options.seed,
        command=shlex.join(["./tmrl", "demo", *sys.argv[2:]]),
        wall_minutes=session.wall_s / 60.0 + float(str(past.get("wall_minutes", 0.0))),
        chunks_refused=session.record.chunks_refused + int(str(past.get("chunks_refused", 0))),
        transitions_stored=session.record.learner.contiguous_sequence,
        policy=str(server["checkpoint"]),
        ended=ending.reason,
    )


def _past_report(report: Path) -> dict[str, object]:
    """What the sessions before this one reported; their wall time counts on."""
    if not report.exists():
        return {}
    try:
        return json.loads(report.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RigError(
            f"{report} is damaged ({error}); delete it, the journal has it all"
        ) from error


def run_demo(options: DemoOptions) -> int:
    """Runs a demo session and writes its report; the exit code of the command.

    Raises:
        RigError: The options do not fit the run directory or the rig.
        StorageError: The report could not be written.
    """
    if options.json is not None:
        prepare_file(options.json)
    run_dir = open_run_dir(options)
    report = run_dir / "report.json"
    past = _past_report(report)
    session = DemoSession(options, run_dir, resolve_rig(options, run_dir))
    # A domain of its own: another session on this machine must not hear this one.
    with domain_coordinator.domain_id() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        session.console.print(f"run directory {run_dir}, ROS domain {domain}", soft_wrap=True)
        ending = asyncio.run(session.run())
    console = session.console
    console.print(ending.reason, highlight=False, soft_wrap=True)
    if not has_history(run_dir):
        return ending.exit_code or EXIT_FAILED
    history = read_history(run_dir, session.rig.robot).until(ending.last_episode)
    facts = _facts(session, ending, past)
    content = summarise(history, facts, session.record.control_period_s)
    for path in (report, options.json):
        if path is not None:
            write_json(path, content)
    paths = [report]
    if ending.exit_code == EXIT_OK:
        with console.status("drawing the report"):
            paths += draw(history, facts, run_dir / "report")
            if options.video:
                # Imported late: the simulator is needed for nothing else here.
                from tmrl_demo.video import first_and_last

                paths += first_and_last(history.episodes, run_dir)
    for path in paths:
        console.print(f"  {path}", highlight=False, soft_wrap=True)
    return ending.exit_code
