"""Whom the agent waits for, in plain English, and when such a wait is a problem."""

from dataclasses import dataclass

from tmrl_common.clock import Clock


@dataclass(frozen=True)
class Wait:
    """Why nothing is asked of the policy server now.

    Attributes:
        subject: Names the wait: while it stays the same, one wait lasts.
        sentence: For people; its numbers may change while the wait lasts.
        may_last: Whether it is no problem however long it lasts, such as a person who drives.
    """

    subject: str
    sentence: str
    may_last: bool = True


class WaitTimer:
    """Turns a wait into a problem once it has lasted too long.

    Args:
        limit_s: Longest wait that is no problem.
        clock: Steady clock.
    """

    def __init__(self, limit_s: float, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._since_s = 0.0
        self._wait: Wait | None = None

    @property
    def sentence(self) -> str:
        """Who is waited for; empty while nobody is."""
        return self._wait.sentence if self._wait is not None else ""

    @property
    def problem(self) -> str:
        """The same once it has lasted too long; empty until then."""
        wait = self._wait
        return wait.sentence if wait is not None and self.is_overdue(wait.subject) else ""

    def is_overdue(self, subject: str) -> bool:
        """Whether this is what is waited for, and has been for too long."""
        wait = self._wait
        if wait is None or wait.subject != subject or wait.may_last:
            return False
        return self._clock.now_s() - self._since_s >= self._limit_s

    def update(self, wait: Wait | None) -> None:
        """Takes what is waited for now; another subject, or none, ends the wait before."""
        before, self._wait = self._wait, wait
        if before is None or wait is None or _name(before) != _name(wait):
            self._since_s = self._clock.now_s()


def _name(wait: Wait) -> tuple[str, bool]:
    return wait.subject, wait.may_last
