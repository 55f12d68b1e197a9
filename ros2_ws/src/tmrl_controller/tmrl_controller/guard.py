"""Lets threads share the core, and makes the arm hold whatever goes wrong in it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import ControllerStatus, LimitedCommand, Report

T = TypeVar("T")


class CoreGuard:
    """Every call of the core goes through here: one at a time, and an error fails closed.

    Attributes:
        failures: Errors of the program since the start; each one made the arm hold.
    """

    def __init__(
        self,
        core: ControllerCore,
        send: Callable[[LimitedCommand], None],
        report: Callable[[Report | Exception], None],
    ) -> None:
        """Takes what carries the core's decisions out.

        Args:
            core: The core; nobody else calls it.
            send: Sends a command to the driver.
            report: Takes outcomes, statuses and errors; returns at once.
        """
        self._core, self._send, self._report = core, send, report
        self._lock = threading.Lock()
        self.failures = 0

    def call(self, act: Callable[[], T]) -> T | None:
        """Calls the core; None after an error, and the arm holds.

        Args:
            act: A method of the core with its arguments.
        """
        with self._lock:
            try:
                return act()
            except Exception as error:  # noqa: BLE001 - whatever it was, the arm must hold now
                self.failures += 1
                reason = f"the controller failed ({error!r}); see its log, then hold and resume"
                self._send(self._core.abandon(reason))
                self._report(error)
                return None

    def tick(self) -> None:
        """Lets the core draw its conclusions and carries them out."""
        self.call(self._conclude)

    def status(self) -> ControllerStatus | None:
        """The core's status; None after an error."""
        return self.call(self._core.status)

    def _conclude(self) -> None:
        for decision in self._core.tick():
            if isinstance(decision, LimitedCommand):
                self._send(decision)
            else:
                self._report(decision)
