"""Calls a function at a fixed rate, on a thread of its own, by absolute deadlines."""

import threading
import time
from collections.abc import Callable


class Ticker:
    """A thread that ticks; the time that a tick takes does not shift the next one.

    Attributes:
        overruns: Ticks left out because an earlier one, or the machine, took too long.
    """

    def __init__(self, period_s: float, tick: Callable[[], None]) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            period_s: Time between two ticks, s.
            tick: What to do.
        """
        self.overruns = 0
        self._period_s = period_s
        self._tick = tick
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)

    def start(self) -> None:
        """Starts to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the tick under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raises what ended the thread.

        Raises:
            RuntimeError: A tick failed; its error is the cause.
        """
        if self._error is not None:
            raise RuntimeError("the controller's tick failed; the arm holds") from self._error

    def _run(self) -> None:
        deadline_s = time.monotonic() + self._period_s
        while not self._stopping.wait(max(0.0, deadline_s - time.monotonic())):
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - check() raises it in the node's main thread
                self._error = error
                return
            deadline_s += self._period_s
            missed = int((time.monotonic() - deadline_s) / self._period_s)
            if missed > 0:
                self.overruns += missed
                deadline_s += missed * self._period_s
