"""Configuration of the node that hosts a driver."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from tmrl_common.config import nearest_name


class DriverName(StrEnum):
    """What moves the arm."""

    LOOPBACK = "loopback"
    """A made-up arm, for tests of everything around it."""
    MUJOCO = "mujoco"
    """The simulated WidowX cell in real time, behind the interface of the hardware."""
    FRANKY = "franky"
    """A Franka FR3 or Panda through franky (libfranka)."""
    INTERBOTIX = "interbotix"
    """A WidowX 250 through the vendor's ROS driver."""


@dataclass(frozen=True)
class ArmConfig:
    """How one arm is hosted. What only its driver knows is in a group of the driver's name.

    Attributes:
        robot: Name of the arm; commands for another one are refused.
        driver: "loopback", "mujoco", "franky" or "interbotix".
        state_rate_hz: States that are published per second, Hz.
        max_recoveries: Faults that are cleared without a person, within recovery_window_s; the next
            one waits for arm/recover. 0: every fault waits.
        recovery_window_s: See max_recoveries, s.
        fault_shown_s: Every fault is published for at least this long, and stands for as long
            before it is cleared without a person, s.
        first_retry_s: Pause before the second attempt to connect; it doubles each time, s.
        longest_retry_s: Longest pause between two attempts to connect, s.
        home_timeout_s: An arm that is not home by then is stopped, s.
    """

    robot: str
    driver: str
    state_rate_hz: float = 50.0
    max_recoveries: int = 3
    recovery_window_s: float = 60.0
    fault_shown_s: float = 1.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 30.0
    home_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse what cannot be hosted.

        Raises:
            ValueError: A value is unknown or out of range; the text names it and what is valid.
        """
        if not self.robot:
            raise ValueError("robot is empty; name the arm, for example franka")
        known = [driver.value for driver in DriverName]
        if self.driver not in known:
            raise ValueError(f"driver is {self.driver!r}; {nearest_name(self.driver, known)}")
        if not 10.0 <= self.state_rate_hz <= 250.0:
            raise ValueError(f"state_rate_hz is {self.state_rate_hz}; it has to be 10 to 250")
        if self.max_recoveries < 0:
            raise ValueError(f"max_recoveries is {self.max_recoveries}; it has to be 0 or more")
        for name in ("recovery_window_s", "fault_shown_s", "first_retry_s", "home_timeout_s"):
            value_s: float = getattr(self, name)
            if not (isfinite(value_s) and value_s > 0.0):
                raise ValueError(f"{name} is {value_s}; it has to be a finite number above 0")
        if not self.first_retry_s <= self.longest_retry_s < float("inf"):
            raise ValueError(
                f"longest_retry_s is {self.longest_retry_s}; it has to be at least first_retry_s "
                f"({self.first_retry_s})"
            )

    @property
    def base_frame(self) -> str:
        """Frame of every pose."""
        return f"{self.robot}/base"
