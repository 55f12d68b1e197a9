"""Configuration of the node that hosts a driver."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.arm_drivers import InstalledDriver
from tmrl_common.constraints import NotEmpty, Range, check_fields

PauseS = Annotated[float, Range(0.0, 600.0, above=True, unit="s")]


@dataclass(frozen=True)
class ArmConfig:
    """How one arm is hosted. What only its driver knows is in a group of the driver's name.

    Attributes:
        robot: Name of the arm; commands for another one are refused.
        driver: What moves the arm: "interbotix" (a WidowX 250), "franky" (a Franka), "loopback" (a
            made-up arm, to try the rest out), "mujoco" (the simulated WidowX in real time), or that
            of a package of your own.
        state_rate_hz: States that are published per second, Hz.
        max_recoveries: Faults that are cleared without a person, within recovery_window_s; the next
            one waits for arm/recover. 0: every fault waits.
        recovery_window_s: See max_recoveries, s.
        fault_shown_s: Every fault is published for at least this long, and stands for as long
            before it is cleared without a person, s.
        first_retry_s: Pause before the second attempt to connect; it doubles each time, s.
        longest_retry_s: Longest pause between two attempts to connect, s.
        home_timeout_s: An arm that is not home by then is stopped, s.
        urdf: What the arm looks like, for the topic robot_description: the name of a description in
            tmrl_description, such as "widowx_250", or the path of a file that ends in .urdf; empty
            for none.
    """

    robot: Annotated[str, NotEmpty("franka")]
    driver: Annotated[str, InstalledDriver()]
    state_rate_hz: Annotated[float, Range(10.0, 250.0)] = 50.0
    max_recoveries: Annotated[int, Range(0)] = 3
    recovery_window_s: Annotated[float, Range(0.0, 86400.0, above=True, unit="s")] = 60.0
    fault_shown_s: PauseS = 1.0
    first_retry_s: PauseS = 1.0
    longest_retry_s: PauseS = 30.0
    home_timeout_s: Annotated[float, Range(0.0, 300.0, above=True, unit="s")] = 30.0
    urdf: str = ""

    def __post_init__(self) -> None:
        """Refuses what cannot be hosted.

        Raises:
            ValueError: A value is unknown or out of range; the text names it and what is valid.
        """
        check_fields(self)
        if self.longest_retry_s < self.first_retry_s:
            raise ValueError(
                f"longest_retry_s is {self.longest_retry_s}; it must be at least first_retry_s "
                f"({self.first_retry_s})"
            )

    @property
    def base_frame(self) -> str:
        """Frame of every pose."""
        return f"{self.robot}/base"
