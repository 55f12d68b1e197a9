"""How often something is tried again before a person is asked."""

from collections import deque


class Backoff:
    """Pauses between attempts to connect: each one twice as long as the one before."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        """Begins with an attempt that is due at once."""
        self._first_s, self._longest_s = first_s, longest_s
        self._pause_s = first_s
        self._due_s = float("-inf")
        self.attempts = 0
        """Failed ones since the last success."""

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to try again."""
        return now_s >= self._due_s

    def failed(self, now_s: float) -> float:
        """Notes a failed attempt; returns the pause before the next one, s."""
        self.attempts += 1
        pause_s = self._pause_s
        self._due_s = now_s + pause_s
        self._pause_s = min(2.0 * pause_s, self._longest_s)
        return pause_s

    def succeeded(self) -> None:
        """Starts anew: the next attempt is due at once."""
        self.attempts = 0
        self._pause_s = self._first_s
        self._due_s = float("-inf")


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
