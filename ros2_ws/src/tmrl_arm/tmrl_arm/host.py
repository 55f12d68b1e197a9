"""The thread that owns a driver: all calls of the vendor's software happen on it."""

import threading
from collections import deque
from collections.abc import Callable

from tmrl_arm.core import ArmCore
from tmrl_arm.reports import Health, Report
from tmrl_common.arm import ArmCommand
from tmrl_common.clock import Clock
from tmrl_common.service_reply import ServiceReply

_STUCK_S = 1.0
_CLOSE_S = 8.0
"""Longer than any driver brakes, shorter than the launcher waits before it kills (10 s)."""

Answer = Callable[[ServiceReply], None]


class ArmHost:
    """Runs a core on a thread of its own and hands it what comes in, commands newest first."""

    def __init__(
        self, core: ArmCore, clock: Clock, rate_hz: float, on_report: Callable[[Report], None]
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            core: Called on the thread only, from `start` on.
            clock: Paces the thread.
            rate_hz: Readings per second, Hz.
            on_report: Called on the thread with everything that is to be published.
        """
        self._core, self._clock = core, clock
        self._period_s = 1.0 / rate_hz
        self._on_report = on_report
        self._wake = threading.Condition()
        self._command: ArmCommand | None = None
        self._requests: deque[tuple[Callable[[Answer], None], Answer]] = deque()
        self._stopping = False
        self._health = Health()
        self._ticked_s = clock.now_s()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="arm", daemon=True)

    def start(self) -> None:
        """Starts to connect and to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the arm and ends the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)

    def command(self, command: ArmCommand) -> None:
        """Hands over a command; one that waits still is dropped for it."""
        with self._wake:
            self._command = command
            self._wake.notify()

    def home(self, answer: Answer) -> None:
        """Asks for `ArmCore.home`; the answer is called on the thread."""
        self._ask(self._core.home, answer)

    def recover(self, answer: Answer) -> None:
        """Asks for `ArmCore.recover`; the answer is called on the thread."""
        self._ask(self._core.recover, answer)

    def health(self) -> Health:
        """How the arm is by the last tick.

        Raises:
            RuntimeError: The thread failed; its error is the cause.
        """
        if self._error is not None:
            raise RuntimeError("the driver's thread failed; the arm holds") from self._error
        return self._health

    def stuck_for_s(self) -> float:
        """How long the driver has been inside a call of the vendor's; 0 while it is not, s."""
        waited_s = self._clock.now_s() - self._ticked_s
        return waited_s if waited_s > _STUCK_S else 0.0

    def _ask(self, act: Callable[[Answer], None], answer: Answer) -> None:
        with self._wake:
            self._requests.append((act, answer))
            self._wake.notify()

    def _run(self) -> None:
        try:
            due_s = self._clock.now_s()
            while not self._stopping:
                due_s = self._serve(due_s)
        except Exception as error:  # noqa: BLE001 - health() raises it in the node's main thread
            self._error = error
        finally:
            self._core.close()

    def _serve(self, due_s: float) -> float:
        """Acts on what came in; ticks when it is time. Returns when the next tick is due."""
        with self._wake:
            if not (self._stopping or self._command or self._requests):
                self._wake.wait(max(0.0, due_s - self._clock.now_s()))
            command, self._command = self._command, None
            requests = list(self._requests)
            self._requests.clear()
        if command is not None:
            self._core.command(command)
        for act, answer in requests:
            act(answer)
        now_s = self._clock.now_s()
        if now_s < due_s:
            return due_s
        report = self._core.tick()
        self._health = self._core.health()
        self._ticked_s = self._clock.now_s()
        if report is not None:
            self._on_report(report)
        # A tick that took long is followed by a whole period, not by a burst.
        return max(due_s + self._period_s, now_s + 0.5 * self._period_s)
