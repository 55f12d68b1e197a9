"""How often a side of the policy server's desk asks: often while something happens, else seldom."""

from tmrl_common.clock import Clock

BUSY_S, IDLE_S = 0.02, 0.2
"""Between two turns."""
_BUSY_FOR_S = 2.0
"""For so long after a change the next one is likely."""


class Pace:
    """When the next turn is due.

    Args:
        clock: Steady clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed_s = clock.now_s()
        self._next_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the next turn may begin."""
        return self._clock.now_s() >= self._next_s

    def changed(self) -> None:
        """Something has happened: the next turn is due now, and others soon."""
        self._changed_s = self._clock.now_s()
        self._next_s = 0.0

    def answered(self, *, awaits: bool = False) -> None:
        """A turn is over.

        Args:
            awaits: Whether something is still to come.
        """
        now_s = self._clock.now_s()
        busy = awaits or now_s - self._changed_s < _BUSY_FOR_S
        self._next_s = now_s + (BUSY_S if busy else IDLE_S)

    def unanswered(self) -> None:
        """Nobody answered: the next turn comes after a pause."""
        self._next_s = self._clock.now_s() + IDLE_S
