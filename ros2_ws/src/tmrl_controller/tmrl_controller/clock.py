"""Time as the controller sees it: one clock for pacing and ages, one for stamps."""

from collections.abc import Callable
from typing import Protocol

from tmrl_common.clock import Clock, SteadyClock


class StampingClock(Clock, Protocol):
    """A clock for pacing and ages that also knows the ROS time of this moment."""

    def stamp_ns(self) -> int:
        """ROS time for stamps, ns."""
        ...


class HardwareClock(SteadyClock):
    """Hardware: the steady clock paces, ROS time stamps."""

    def __init__(self, ros_time_ns: Callable[[], int]) -> None:
        """Takes the source of ROS time.

        Args:
            ros_time_ns: Returns the present ROS time, ns.
        """
        self._ros_time_ns = ros_time_ns

    def stamp_ns(self) -> int:
        """ROS time, ns."""
        return self._ros_time_ns()


class StateClock:
    """Simulation: the stamp of the newest arm state is the time, for pacing and for stamps."""

    def __init__(self) -> None:
        """Starts at 0, until the first arm state comes."""
        self._stamp_ns = 0

    def set(self, stamp_ns: int) -> None:
        """Moves the time to the stamp of an arm state, ns."""
        self._stamp_ns = stamp_ns

    def now_s(self) -> float:
        """Stamp of the newest arm state, s."""
        return self._stamp_ns * 1e-9

    def stamp_ns(self) -> int:
        """Stamp of the newest arm state, ns."""
        return self._stamp_ns
