"""Counts frames per second."""

from tmrl_common.clock import Clock


class RateMeter:
    """Frames per second between two looks.

    Args:
        clock: Steady clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s = clock.now_s()
        self._frames = 0

    def count(self) -> None:
        """A frame came."""
        self._frames += 1

    def take_hz(self) -> float:
        """Mean rate since the last call; 0 where no time has passed."""
        now_s = self._clock.now_s()
        frames, passed_s = self._frames, now_s - self._since_s
        self._frames, self._since_s = 0, now_s
        return frames / passed_s if passed_s > 0.0 else 0.0
