"""Runs one demo session: the processes, the view, the end, the report."""

import asyncio
import contextlib
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import domain_coordinator
from rich.console import Console
from rich.live import Live

from tmrl_bringup.console_address import announce, forget_address
from tmrl_bringup.end_signals import when_asked_to_end
from tmrl_bringup.rig import RigError
from tmrl_bringup.rundir import has_history, prepare_run_dir, refuse_lost_journal
from tmrl_bringup.supervisor import ProcessEvent, Supervisor
from tmrl_common.storage import prepare_file
from tmrl_demo.arms import Arm, processes_of, resolve_rigs
from tmrl_demo.options import DemoOptions
from tmrl_demo.report import (
    SessionFacts,
    draw,
    outline,
    read_history,
    summarise,
    write_json,
)
from tmrl_demo.view import Header, render

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
_REFRESH_S = 0.25
_START_TIMEOUT_S = 90.0


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


class DemoSession:
    """One run of the demo.

    Args:
        options: The command line.
        arms: The first one's directory is the run's.
        learner_domain: ROS domain of the learner, where there are several arms.
    """

    def __init__(self, options: DemoOptions, arms: Sequence[Arm], learner_domain: int) -> None:
        self.options = options
        self.arms = arms
        first = arms[0]
        self.run_dir, self.rig, self.record = first.run_dir, first.rig, first.record
        self.header = Header(options.method, options.seed, options.episodes, str(self.run_dir))
        self.console = Console()
        processes = processes_of(arms, headless=options.headless, learner_domain=learner_domain)
        self._supervisor = Supervisor(processes, self.run_dir / "logs", self._on_event)
        self._interrupted = asyncio.Event()
        self._started_s = time.monotonic()
        self._trouble_shown: list[str] = []
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
        for arm in self.arms if self.options.resume else ():
            arm.load_past()
        forget_address(self.run_dir)
        address = asyncio.create_task(announce(self.run_dir, self._print))
        for arm in self.arms:
            arm.listen()
        try:
            await self._supervisor.start()
            with self._screen() as live:
                ending = await self._until_end(live)
                if ending.exit_code == EXIT_OK:
                    await asyncio.gather(*(arm.drain(self._interrupted) for arm in self.arms))
        finally:
            address.cancel()
            await self._supervisor.stop()
            for arm in self.arms:
                arm.close()
        return ending

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)

    def _screen(self) -> contextlib.AbstractContextManager["Live | None"]:
        if self.options.headless:
            return contextlib.nullcontext()
        return Live(console=self.console, refresh_per_second=4, transient=False)

    @property
    def _has_started(self) -> bool:
        return all(arm.has_started for arm in self.arms)

    def _of(self, arm: Arm) -> str:
        """What its lines begin with: nothing where there is one arm."""
        return f"{arm.rig.robot}: " if len(self.arms) > 1 else ""

    def _show(self, live: Live | None) -> None:
        if live is not None:
            others = [f"{self._of(arm)}{arm.record.summary}" for arm in self.arms[1:]]
            alive = self._supervisor.alive()
            live.update(render(self.record, self.header, alive, self.wall_s, others))
            return
        trouble = [f"{self._of(arm)}{line}" for arm in self.arms for line in arm.record.trouble]
        for sentence in trouble if self._has_started else []:
            if sentence not in self._trouble_shown:
                self.console.print(sentence, style="yellow", highlight=False, soft_wrap=True)
        self._trouble_shown = trouble
        for arm in self.arms:
            self._print_episodes(arm)

    def _print_episodes(self, arm: Arm) -> None:
        record = arm.record
        for episode in record.in_order[arm.printed : record.finished]:
            arm.printed += 1
            self._print(
                f"{self._of(arm)}episode {episode.number}: {episode.outcome.name.lower()}"
                f"{f' ({episode.detail})' if episode.detail else ''}, "
                f"last 20: {record.success_last_window:.0%}, "
                f"{record.robot_minutes:.1f} robot min, {self.wall_s / 60:.1f} wall min, "
                f"{record.learner.rounds} rounds",
            )

    async def _until_end(self, live: Live | None) -> Ending:
        while True:
            self._show(live)
            ending = self._ending()
            if ending is not None:
                self._show(live)
                return ending
            for arm in self.arms:
                await arm.start()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupted.wait(), _REFRESH_S)

    def _ending(self) -> Ending | None:
        """Why the session is over; None while it continues."""
        if self._interrupted.is_set():
            again = f"./tmrl demo --run-dir {self.run_dir} --resume continues"
            return Ending(f"interrupted; nothing is lost: {again}", EXIT_INTERRUPTED)
        if self._supervisor.failed.is_set():
            return Ending(self._fatal, EXIT_FAILED)
        if not self._has_started and self.wall_s > _START_TIMEOUT_S:
            waits = next(arm for arm in self.arms if not arm.has_started)
            reason = waits.record.state_reason or "no node answered"
            sentence = f"{self._of(waits)}not started after {_START_TIMEOUT_S:g} s: {reason}"
            return Ending(sentence, EXIT_FAILED)
        target = self.options.until_success
        if target is not None and all(arm.record.reached(target) for arm in self.arms):
            reason = f"success rate {target:.0%} over the last 20 episodes"
            return Ending(reason, EXIT_OK, self.record.last_labelled)
        if all(arm.is_idle_after >= self.options.episodes for arm in self.arms):
            return Ending(f"{self.options.episodes} episodes", EXIT_OK)
        return None


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
    rigs = resolve_rigs(options, run_dir)
    with contextlib.ExitStack() as stack:
        # Domains of its own: another session on this machine must not hear this one.
        domains = [stack.enter_context(domain_coordinator.domain_id()) for _ in rigs]
        elsewhere = len(rigs) > 1
        learners = stack.enter_context(domain_coordinator.domain_id()) if elsewhere else domains[0]
        arms = [Arm(*mine, domain) for mine, domain in zip(rigs, domains, strict=True)]
        session = DemoSession(options, arms, learners)
        session.console.print(f"run directory {run_dir}, ROS domain {domains[0]}", soft_wrap=True)
        ending = asyncio.run(session.run())
    console = session.console
    console.print(ending.reason, highlight=False, soft_wrap=True)
    if not has_history(run_dir):
        return ending.exit_code or EXIT_FAILED
    history = read_history(run_dir, session.rig.robot).until(ending.last_episode)
    facts = _facts(session, ending, past)
    content = summarise(history, facts, session.record.control_period_s)
    if len(session.arms) > 1:
        content["arms"] = {arm.rig.robot: outline(arm.history()) for arm in session.arms}
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
