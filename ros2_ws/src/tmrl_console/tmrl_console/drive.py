"""A person drives with keys: one at a time, and only while the dead-man switch is held and heard.

The switch is a key that a page reports as held, again and again. Whoever lets go, hides the page,
loses the connection or falls silent has released it. After silence a page must say that the key was
released before it may drive again, as the controller asks of every device after a stop.
"""

import math
import threading
from collections.abc import Callable, Set
from dataclasses import dataclass

from tmrl_common.clock import Clock
from tmrl_console.keys import Action

Vector = tuple[float, float, float]

TICK_S = 0.03
"""Between two readings."""
_REPEATED = 3
"""Readings with the switch released: before a take-over, as the controller wants to see it released
first, and after it; the last of several must not be lost with one packet."""

_LINEAR: dict[Action, tuple[int, int]] = {
    Action.FORWARD: (0, 1),
    Action.BACK: (0, -1),
    Action.LEFT: (1, 1),
    Action.RIGHT: (1, -1),
    Action.UP: (2, 1),
    Action.DOWN: (2, -1),
}
_ANGULAR: dict[Action, tuple[int, int]] = {
    Action.ROLL_RIGHT: (0, 1),
    Action.ROLL_LEFT: (0, -1),
    Action.PITCH_DOWN: (1, 1),
    Action.PITCH_UP: (1, -1),
    Action.TURN_LEFT: (2, 1),
    Action.TURN_RIGHT: (2, -1),
}
"""Axis of the base frame (x forward, y left, z up) and sign."""


@dataclass(frozen=True)
class Reading:
    """What goes to the controller.

    Attributes:
        active: Whether the dead-man switch is held.
        linear_m_s: Velocity of the tool in the base frame, shape (3,), m/s.
        angular_rad_s: The same of its rotation, rad/s.
        gripper: Wanted opening, 0 closed to 1 open.
    """

    active: bool
    linear_m_s: Vector
    angular_rad_s: Vector
    gripper: float


@dataclass(frozen=True)
class DriveLimits:
    """How fast keys move the tool, and how long a page may be silent.

    Attributes:
        speed_m_s: Of the tool, in any direction.
        turn_rad_s: Of its rotation, about any axis.
        max_silence_s: From one word of a page to the next, while its key is held.
    """

    speed_m_s: float
    turn_rad_s: float
    max_silence_s: float


class Driving:
    """Who drives, and what the controller is to be sent. Safe between threads."""

    def __init__(
        self, limits: DriveLimits, clock: Clock, gripper: Callable[[], float | None]
    ) -> None:
        """Nobody drives.

        Args:
            limits: Speeds and patience.
            clock: Steady.
            gripper: The opening last commanded, which a take-over begins with; None while no arm
                state is known.
        """
        self._limits, self._clock, self._measured = limits, clock, gripper
        self._lock = threading.RLock()
        self._driver: int | None = None
        self._heard_s = 0.0
        self._actions: frozenset[Action] = frozenset()
        self._gripper = 0.0
        self._announcing = self._releasing = 0
        self._must_release: set[int] = set()

    @property
    def driver(self) -> int | None:
        """The page that drives; None while nobody does."""
        return self._driver

    def hold(self, page: int, actions: Set[Action], busy: str = "") -> str:
        """A page says that its dead-man switch is held.

        Args:
            page: Which one.
            actions: Its other keys that are held.
            busy: Why nobody may take over now, such as another device that drives; empty: all may.

        Returns:
            Why it does not drive; empty where it does.
        """
        with self._lock:
            if self._driver != page and (refusal := self._refusal(page, busy)):
                self._must_release.add(page)
                return refusal
            if self._driver is None:
                self._driver, self._gripper = page, self._measured() or 0.0
                self._announcing, self._releasing = _REPEATED, 0
            self._heard_s, self._actions = self._clock.now_s(), frozenset(actions)
            if (Action.OPEN in actions) != (Action.CLOSE in actions):
                self._gripper = float(Action.OPEN in actions)
            return ""

    def _refusal(self, page: int, busy: str) -> str:
        if page in self._must_release:
            return "let go of the key first, then hold it again"
        if self._driver is not None:
            return "another page drives; its person must let go first"
        if busy:
            return busy
        if self._measured() is None:
            return "no state of the arm has arrived yet; look at who is alive"
        return ""

    def release(self, page: int) -> None:
        """A page says that its switch is released, or is gone."""
        with self._lock:
            self._must_release.discard(page)
            self._stop(page)

    def tick(self) -> Reading | None:
        """Returns what the controller is to be sent now; None while nobody drives."""
        with self._lock:
            return self._next()

    def _next(self) -> Reading | None:
        if self._driver is not None and self._silent():
            self._must_release.add(self._driver)
            self._stop(self._driver)
        if self._driver is None:
            self._releasing = max(0, self._releasing - 1)
            return self._released() if self._releasing else None
        if self._announcing:
            self._announcing -= 1
            return self._released()
        limits = self._limits
        return Reading(
            active=True,
            linear_m_s=_velocity(self._actions, _LINEAR, limits.speed_m_s),
            angular_rad_s=_velocity(self._actions, _ANGULAR, limits.turn_rad_s),
            gripper=self._gripper,
        )

    def _silent(self) -> bool:
        return self._clock.now_s() - self._heard_s > self._limits.max_silence_s

    def _stop(self, page: int) -> None:
        if self._driver == page:
            self._driver, self._releasing = None, _REPEATED + 1

    def _released(self) -> Reading:
        still = (0.0, 0.0, 0.0)
        return Reading(active=False, linear_m_s=still, angular_rad_s=still, gripper=self._gripper)


def _velocity(actions: Set[Action], axes: dict[Action, tuple[int, int]], speed: float) -> Vector:
    """The sum of what the keys ask for, no faster than one of them alone."""
    wanted = [0.0, 0.0, 0.0]
    for action in actions & axes.keys():
        axis, sign = axes[action]
        wanted[axis] += sign
    length = math.hypot(*wanted)
    if not length:
        return 0.0, 0.0, 0.0
    x, y, z = (speed * value / length for value in wanted)
    return x, y, z
