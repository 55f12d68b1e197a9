"""Calls a function at a fixed rate, on a thread of its own, by absolute deadlines."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tmrl_controller.realtime import request_fifo


class Lateness:
    """How late the recent ticks were; one thread records, others may read.

    Attributes:
        count: Ticks recorded since the start.
    """

    def __init__(self, remembered: int) -> None:
        """Takes how many ticks to remember."""
        self.count = 0
        self._late_s = np.zeros(remembered)

    def record(self, late_s: float) -> None:
        """Remembers one tick, by how much it came after its deadline, s."""
        self._late_s[self.count % len(self._late_s)] = late_s
        self.count += 1

    def recent_s(self) -> NDArray[np.float64]:
        """The remembered ones, oldest or not first, shape (min(count, remembered),), s."""
        return self._late_s[: min(self.count, len(self._late_s))].copy()

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the remembered ones, ms; 0 before the first."""
        recent_s = self.recent_s()
        return float(np.percentile(recent_s, percent)) * 1e3 if len(recent_s) else 0.0


class Ticker:
    """A thread that ticks; the time that a tick takes does not shift the next one.

    Attributes:
        overruns: Ticks left out because an earlier one, or the machine, took too long.
        lateness: Of the last minute's ticks; one that was left out counts until the next one came.
        scheduling: What the operating system allowed; empty before the start.
        failures: Ticks that raised an error since the start; the next one comes all the same.
    """

    def __init__(self, period_s: float, tick: Callable[[], None], fifo_priority: int = 0) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            period_s: Time between two ticks, s.
            tick: What to do.
            fifo_priority: Of SCHED_FIFO, 1 to 99, where the system allows it; 0 asks for nothing.
        """
        self.overruns = 0
        self.lateness = Lateness(remembered=max(1, round(60.0 / period_s)))
        self.scheduling = ""
        self.failures = 0
        self._period_s = period_s
        self._tick = tick
        self._fifo_priority = fifo_priority
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)

    def start(self) -> None:
        """Starts to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the current tick."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def problem(self) -> str:
        """The newest error that a tick raised, for people; empty where none did."""
        if self.failures == 0:
            return ""
        return f"{self.failures} ticks failed, the last with {self._error!r}: see the log"

    def _run(self) -> None:
        self.scheduling = request_fifo(self._fifo_priority)
        deadline_s = time.monotonic() + self._period_s
        while not self._stopping.wait(max(0.0, deadline_s - time.monotonic())):
            self.lateness.record(time.monotonic() - deadline_s)
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - a dead tick would leave the arm alone
                self._error = error
                self.failures += 1
            deadline_s += self._period_s
            while time.monotonic() - deadline_s >= self._period_s:
                self.overruns += 1
                self.lateness.record(time.monotonic() - deadline_s)
                deadline_s += self._period_s
