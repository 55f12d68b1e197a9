"""Pauses between attempts: each one twice as long as the one before, up to a longest one."""


class Backoff:
    """When something that failed is worth another attempt.

    Args:
        first_s: Pause after the first failure.
        max_s: Longest pause.

    Attributes:
        attempts: Failed ones since the last success.
    """

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s, self._max_s = first_s, max_s
        self._pause_s = first_s
        self._due_s = float("-inf")
        self.attempts = 0

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for an attempt.

        Args:
            now_s: Steady time.
        """
        return now_s >= self._due_s

    def failed(self, now_s: float) -> float:
        """Notes a failed attempt.

        Args:
            now_s: Steady time.

        Returns:
            The pause before the next attempt, s.
        """
        self.attempts += 1
        pause_s = self._pause_s
        self._due_s = now_s + pause_s
        self._pause_s = min(2.0 * pause_s, self._max_s)
        return pause_s

    def succeeded(self) -> None:
        """Notes a success: the next attempt is due at once, the pause after it short again."""
        self.attempts = 0
        self._pause_s = self._first_s
        self._due_s = float("-inf")
