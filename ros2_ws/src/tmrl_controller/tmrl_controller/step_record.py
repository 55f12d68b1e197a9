"""What was commanded, step by step, as outcomes carry it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import Driver
from tmrl_common.types import FloatArray
from tmrl_controller.limiter import Setpoint


@dataclass
class OpenStep:
    """The current control period.

    Attributes:
        start: Target at its beginning.
        driver: Who commands it.
        ends_s: When it is over, by the pacing clock, s.
        arm_state_sequence: Newest arm state at its beginning.
        started_ns: ROS time of its beginning.
        clamped: Whether a limit has changed it so far.
    """

    start: Setpoint
    driver: Driver
    ends_s: float
    arm_state_sequence: int
    started_ns: int
    clamped: bool = False


@dataclass(frozen=True)
class _ClosedStep:
    action: tuple[float, ...]
    driver: Driver
    clamped: bool
    end_ns: int


class StepRecord:
    """The steps of one chunk, or of one segment of a person's driving."""

    def __init__(self, action_dim: int) -> None:
        """Starts empty.

        Args:
            action_dim: Columns of the rig's action space.
        """
        self._action_dim = action_dim
        self._steps: list[_ClosedStep] = []

    def __len__(self) -> int:
        """How many steps have ended."""
        return len(self._steps)

    def add(self, step: OpenStep, action: tuple[float, ...], end_ns: int) -> None:
        """Remembers a step that has ended.

        Args:
            step: The step.
            action: What was commanded in it, as a row of the action space.
            end_ns: ROS time of its end.
        """
        self._steps.append(_ClosedStep(action, step.driver, step.clamped, end_ns))

    @property
    def actions(self) -> FloatArray:
        """What was commanded, shape (steps, action_dim)."""
        actions = np.array([step.action for step in self._steps], dtype=np.float32)
        return actions.reshape(len(self._steps), self._action_dim)

    @property
    def drivers(self) -> NDArray[np.uint8]:
        """Who commanded each step, shape (steps,), of `Driver`."""
        return np.array([step.driver for step in self._steps], dtype=np.uint8)

    @property
    def clamped(self) -> NDArray[np.bool_]:
        """Whether a limit changed each step, shape (steps,)."""
        return np.array([step.clamped for step in self._steps], dtype=np.bool_)

    @property
    def ends_ns(self) -> NDArray[np.int64]:
        """ROS time at which each step's period ended, shape (steps,)."""
        return np.array([step.end_ns for step in self._steps], dtype=np.int64)
