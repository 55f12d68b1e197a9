"""Runs checks side by side, each within its time limit: whatever happens becomes a finding."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tmrl_doctor.finding import Check, Finding, failed

T = TypeVar("T")
_LOOK_S = 1.0
"""How often a look that may get further is asked whether it did."""


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Runs all checks: first those that want to be alone, then the others at the same time.

    Args:
        checks: In the order of the table.

    Returns:
        One finding for each, in the same order.
    """
    findings: dict[int, Finding] = {}
    for number, check in enumerate(checks):
        if check.alone:
            findings[number] = _Running(check).finding()
    others = {n: _Running(check) for n, check in enumerate(checks) if not check.alone}
    findings |= {number: running.finding() for number, running in others.items()}
    return [findings[number] for number in range(len(checks))]


class _Running:
    """One check in a thread of its own, which is left behind where it does not end."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._finding: Finding | None = None
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=check.name, daemon=True)
        self._thread.start()

    def finding(self) -> Finding:
        """What was found, or that there was nothing in time."""
        while self._thread.is_alive() and (left_s := self._left_s()) > 0.0:
            self._thread.join(min(left_s, _LOOK_S))
        return self._finding or failed(
            f"no result within {self._check.limit_s:g} s",
            "something does not answer; see what the other lines say about it, and try again",
        )

    def _left_s(self) -> float:
        """Time until the look is given up; it begins again whenever the look gets further."""
        newest_s = max(self._started_s, self._check.further_s())
        return newest_s + self._check.limit_s - time.monotonic()

    def _run(self) -> None:
        try:
            self._finding = self._check.look()
        except Exception as error:  # noqa: BLE001 - a doctor reports whatever is wrong
            self._finding = failed(
                f"{type(error).__name__}: {error}", "mend what the text says, and try again"
            )


class Shared(Generic[T]):
    """Something that several checks look at and that is to be looked at once.

    Args:
        look: Called by whoever comes first; the others wait. What it raises, it raises for all.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._seen: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        """What was seen."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._seen:
                try:
                    self._seen.append(self._look())
                except Exception as error:
                    self._error = error
                    raise
            return self._seen[0]
