"""Time as the parts see it: an injected steady clock for ages, pacing and time-outs."""

import time
from typing import Protocol


class Clock(Protocol):
    """A clock that never jumps nor goes back; only differences of its values mean anything."""

    def now_s(self) -> float:
        """Seconds since an arbitrary moment."""
        ...


class SteadyClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Seconds since an arbitrary moment of this machine."""
        return time.monotonic()
