"""A clock that moves only when a test says so."""


class FakeClock:
    """Implements `tmrl_common.clock.Clock`."""

    def __init__(self, start_s: float = 0.0) -> None:
        """Starts at a moment of the test's choice."""
        self._now_s = start_s

    def now_s(self) -> float:
        """The moment to which the test has moved the clock."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Lets time pass.

        Raises:
            ValueError: `by_s` is negative: a steady clock never goes back.
        """
        if by_s < 0.0:
            raise ValueError(f"a steady clock cannot go back by {-by_s} s")
        self._now_s += by_s
