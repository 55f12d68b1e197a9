"""Time as the controller sees it: one clock for pacing and ages, one for stamps."""

from collections.abc import Callable
from typing import Protocol

from tmrl_common.clock import Clock, SteadyClock


class StampingClock(Clock, Protocol):
    """A clock for pacing and ages that also knows the ROS time of this moment."""

    def stamp_s(self) -> float:
        """ROS time for stamps, s."""
        ...


class HardwareClock(SteadyClock):
    """Hardware: the steady clock paces, ROS time stamps."""

    def __init__(self, ros_time_s: Callable[[], float]) -> None:
        """Takes the source of ROS time.

        Args:
            ros_time_s: Returns the present ROS time, s.
        """
        self._ros_time_s = ros_time_s

    def stamp_s(self) -> float:
        """ROS time, s."""
        return self._ros_time_s()


class StateClock:
    """Simulation: the stamp of the newest arm state is the time, for pacing and for stamps."""

    def __init__(self) -> None:
        """Starts at 0, until the first arm state comes."""
        self._stamp_s = 0.0

    def set(self, stamp_s: float) -> None:
        """Moves the time to the stamp of an arm state, s."""
        self._stamp_s = stamp_s

    def now_s(self) -> float:
        """Stamp of the newest arm state, s."""
        return self._stamp_s

    def stamp_s(self) -> float:
        """Stamp of the newest arm state, s."""
        return self._stamp_s
