"""Breaks a session on purpose, again and again, and lets the judges say what became of it."""

import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tmrl_bringup.parts import PARTS
from tmrl_bringup.restarts import MAX_RESTARTS
from tmrl_common.ports import free_port
from tmrl_common.testing.waiting import wait_until

from . import row_judge
from .lives import WORKS_S, Lives
from .message_proxy import MessageProxy
from .plan import COMMAND, Disturbance, Fault, Kind
from .report import Event, Report
from .session import Session
from .tcp_proxy import TcpProxy

_PART_S = 60.0
_IN_FLIGHT = 2
"""Rows that the agent may still write of what it had before the fault."""
_BYTES = (Disturbance.DELAY, Disturbance.STALL, Disturbance.CUT, Disturbance.PIECES)


class Harness:
    """One run: a session, and the proxies before its policy server.

    Args:
        folder: For everything that is written.
        seed: Of the session and of every draw.
        say: Receives a line about each fault.

    Attributes:
        report: What was found so far.
    """

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self.report = Report()
        self._say = say
        door, between, server = free_port(), free_port(), free_port()
        self._tcp = TcpProxy(door, between, seed)
        self._messages = MessageProxy(between, server, seed)
        self._session = Session(folder / "run", door, server, seed)
        self._lives = Lives(self._session, seed, self.report)
        self._kills: Counter[tuple[int, str]] = Counter()

    def run(self, faults: Sequence[Fault]) -> Report:
        """Lets every fault happen, and the session catch up; what was found."""
        with self._messages, self._tcp:
            try:
                self._lives.begin()
                for number, fault in enumerate(faults, 1):
                    event = self._happen(fault)
                    self.report.events.append(event)
                    took = "never" if event.took_s is None else f"after {event.took_s:.1f} s"
                    how = ", resumed" if event.resumed else ""
                    self._say(f"{number}/{len(faults)} {fault}: works again {took}{how}")
                self._lives.end(by_hand=True)
                self._lives.catch_up()
            finally:
                self._lives.abandon()
        self.report.rows = row_judge.judge(self._session.run_dir, self.report.announced)
        return self.report

    def _happen(self, fault: Fault) -> Event:
        """Lets one fault happen, and waits until the session works again."""
        self._prepare(fault)
        time.sleep(fault.phase_s)
        ended_s = self._inflict(fault)
        if self._ends_by_design(fault):
            return self._resume(fault, ended_s)
        wanted = row_judge.newest_in_journal(self._session.run_dir) + _IN_FLIGHT + 1
        if self._lives.wait_for_row(wanted):
            return Event(fault, time.monotonic() - ended_s, resumed=False)
        what = f"nothing new for {WORKS_S:g} s" if self._session.running else "the session ended"
        self._lives.lose(f"{fault}: {what}")
        return self._resume(fault, ended_s, by_hand=self._session.running)

    def _resume(self, fault: Fault, ended_s: float, *, by_hand: bool = False) -> Event:
        """Waits for the end of a life, begins another one, and waits until that works."""
        self._lives.end(by_hand=by_hand)
        # Others may have worked until the session ended.
        wanted = row_judge.newest_in_journal(self._session.run_dir) + 1
        self._lives.begin()
        if self._lives.wait_for_row(wanted):
            return Event(fault, time.monotonic() - ended_s, resumed=True)
        self._lives.lose(f"after {fault}: nothing new was stored although it was resumed")
        return Event(fault, None, resumed=True)

    def _prepare(self, fault: Fault) -> None:
        """A session that works, with the process that is to suffer in it.

        Raises:
            RuntimeError: There is none, although another life was begun for it.
        """
        there = self._lives.works()
        if not there:
            self._lives.lose(f"before {fault}: nothing new was stored")
        # An optional part that has died too often stays away until the next life.
        if there and self._has_target(fault):
            return
        self._lives.end(by_hand=self._session.running)
        self._lives.begin()
        if not (self._lives.works() and self._has_target(fault)):
            raise RuntimeError(f"it does not work again: {self._session.last_words()}")

    def _has_target(self, fault: Fault) -> bool:
        """Whether there is something that can suffer; a part may just be starting again."""
        if fault.kind is Kind.PROXY:
            return True
        if self._kills[self._session.lives, fault.target] > MAX_RESTARTS:
            return False
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: self._session.process(fault.target), fault.target, _PART_S)
        return self._session.process(fault.target) is not None

    def _inflict(self, fault: Fault) -> float:
        """Does it, and takes it back; when it was over, by the steady clock, s."""
        if fault.kind is Kind.PROXY:
            disturbance = Disturbance(fault.target)
            proxy = self._tcp if disturbance in _BYTES else self._messages
            proxy.disturb(disturbance)
            time.sleep(fault.lasts_s)
            proxy.disturb(None)
            return time.monotonic()
        process = self._session.process(fault.target)
        if process is None:
            raise RuntimeError(f"{fault.target} has ended: {self._session.last_words()}")
        if fault.kind is Kind.KILL:
            process.kill()
            self._kills[self._session.lives, fault.target] += 1
            return time.monotonic()
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(fault.lasts_s)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        return time.monotonic()

    def _ends_by_design(self, fault: Fault) -> bool:
        """Whether the session ends with what was killed, as its parts' descriptions say."""
        if fault.kind is not Kind.KILL:
            return False
        if fault.target == COMMAND:
            return True
        part = PARTS[fault.target]
        spent = self._kills[self._session.lives, fault.target] > MAX_RESTARTS
        return not part.optional and (not part.restartable or spent)
