"""How long to wait: pauses that grow with each failure, and waits that become a problem."""

from tmrl_common.clock import Clock


class BackOff:
    """A pause after each failure, twice as long as the one before.

    Args:
        first_s: Pause after the first failure.
        max_s: Longest pause.
        clock: Steady clock.
    """

    def __init__(self, first_s: float, max_s: float, clock: Clock) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._clock = clock
        self._next_s = first_s
        self._until_s = -float("inf")

    @property
    def pausing(self) -> bool:
        """Whether it is too early for another try."""
        return self._clock.now_s() < self._until_s

    def failed(self) -> None:
        """Another try failed."""
        self._until_s = self._clock.now_s() + self._next_s
        self._next_s = min(2.0 * self._next_s, self._max_s)

    def succeeded(self) -> None:
        """A try succeeded: no pause, and the next one is short again."""
        self._until_s = -float("inf")
        self._next_s = self._first_s


class Stopwatch:
    """Turns a wait into a problem once it has lasted too long.

    Args:
        patience_s: Longest wait that is no problem.
        clock: Steady clock.
    """

    def __init__(self, patience_s: float, clock: Clock) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._since_s: float | None = None
        self._what = ""

    @property
    def reason(self) -> str:
        """What is waited for; empty while the wait is short."""
        since_s = self._since_s
        if since_s is None or self._clock.now_s() - since_s < self._patience_s:
            return ""
        return self._what

    def waits_for(self, what: str) -> None:
        """The wait goes on, or begins; `what` is the newest account of it."""
        self._what = what
        if self._since_s is None:
            self._since_s = self._clock.now_s()

    def stop(self) -> None:
        """The wait is over."""
        self._since_s = None
