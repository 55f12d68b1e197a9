"""How often something may be done within a window of time before a person is asked."""

from collections import deque


class Budget:
    """So many times within a window of time, not more."""

    def __init__(self, times: int, window_s: float) -> None:
        """Begins unspent."""
        self._times, self._window_s = times, window_s
        self._spent_s: deque[float] = deque()

    def is_left(self, now_s: float) -> bool:
        """Whether one more time is allowed."""
        while self._spent_s and now_s - self._spent_s[0] > self._window_s:
            self._spent_s.popleft()
        return len(self._spent_s) < self._times

    def spend(self, now_s: float) -> None:
        """Uses one up."""
        self._spent_s.append(now_s)

    def renew(self) -> None:
        """A person has looked: all of them again."""
        self._spent_s.clear()
