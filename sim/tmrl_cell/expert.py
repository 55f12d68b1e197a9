"""A scripted expert that picks one object and puts it into the pot, or down somewhere else.

It decides from what the policy sees too, the robot state and the object positions, and from a
memory of the phase, which those two imply almost everywhere. The way down
is a funnel: the tool sinks only as it comes closer to its goal.
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.actions import MAX_TRANSLATION_M
from tmrl_cell.layouts import OBJECT_HIGH_M, OBJECT_LOW_M, OBJECTS, POT_POSITION_M

Array = NDArray[np.float64]

GRASP_HEIGHT_M = 0.022
CARRY_HEIGHT_M = 0.105
RELEASE_HEIGHT_M = 0.085

_SAFE_HEIGHT_M = 0.075
_FUNNEL_SLOPE = 1.6
_NEAR_M = 0.006
_HELD_OPENING = 0.2
_LET_GO_OPENING = 0.75
_OPENING_SETTLED = 0.02
_MISS_REACH_M = 0.15
# Half the objects' footprint plus the open gripper's: a miss must touch neither object.
_MISS_CLEAR_X_M = 0.055
_MISS_CLEAR_Y_M = 0.070


@dataclass(frozen=True)
class Release:
    """Where the expert lets go of what it carries.

    Attributes:
        centre_xy_m: In the base frame [m].
        spread_m: It aims up to so far beside it, along each axis [m].
        height_m: Of the tool [m].
    """

    centre_xy_m: tuple[float, float] = POT_POSITION_M
    spread_m: float = 0.012
    height_m: float = RELEASE_HEIGHT_M

    @property
    def sets_down(self) -> bool:
        """Whether the object touches the table: the fingers must be open before the tool rises."""
        return self.height_m < _SAFE_HEIGHT_M


INTO_THE_POT = Release()


class Phase(Enum):
    """What the expert is doing."""

    REACH = auto()
    CLOSE = auto()
    CARRY = auto()
    RELEASE = auto()
    RISE = auto()


class Expert:
    """Picks `target`, opens again after a failed grasp, and retries. One instance per episode."""

    def __init__(
        self,
        rng: np.random.Generator,
        target: str = "carrot",
        miss_probability: float = 0.3,
        release: Release = INTO_THE_POT,
    ) -> None:
        """Prepares an episode.

        Args:
            rng: Source of all the expert's choices.
            target: `carrot` or `sausage`.
            miss_probability: Chance that the first grasp goes wide on purpose, to demonstrate
                the recovery.
            release: Where to let go.

        Raises:
            ValueError: `target` is not an object of the cell.
        """
        if target not in OBJECTS:
            raise ValueError(f"unknown target {target!r}; the objects are {', '.join(OBJECTS)}")
        self._rng = rng
        self._target_slice = slice(0, 2) if target == "carrot" else slice(2, 4)
        self._wants_miss = bool(rng.random() < miss_probability)
        self._wide_goal: Array | None = None
        self._phase = Phase.REACH
        self._last_opening = 1.0
        self._release = release
        beside_m = rng.uniform(-release.spread_m, release.spread_m, size=2)
        self._release_xy: Array = np.asarray(release.centre_xy_m) + beside_m
        self._was_lifted = False
        self._speed_m = MAX_TRANSLATION_M * rng.uniform(0.85, 1.0)

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self._phase

    def act(
        self, proprio: NDArray[np.float32], context: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Chooses the next action.

        Args:
            proprio: Shape (5,), see `tmrl_cell.observation.proprio`.
            context: Shape (4,), see `tmrl_cell.observation.context`.

        Returns:
            Shape (7,): translation [m], rotation vector [rad] (zero), gripper opening.
        """
        tool, opening = proprio[:3].astype(np.float64), float(proprio[3])
        objects = context.astype(np.float64)
        if self._wants_miss:
            self._wants_miss = False
            self._wide_goal = self._draw_miss(objects)
        goal_xy = objects[self._target_slice] if self._wide_goal is None else self._wide_goal
        self._phase = self._next_phase(tool, opening, goal_xy)
        self._last_opening = opening
        delta = self._way(tool, goal_xy)
        length_m = float(np.linalg.norm(delta))
        if length_m > self._speed_m:
            delta *= self._speed_m / length_m
        gripper = 0.0 if self._phase in (Phase.CLOSE, Phase.CARRY) else 1.0
        return np.array((*delta, 0.0, 0.0, 0.0, gripper), dtype=np.float32)

    def _next_phase(self, tool: Array, opening: float, goal_xy: Array) -> Phase:
        phase = self._phase
        if phase is Phase.REACH:
            above_m = float(np.linalg.norm(tool[:2] - goal_xy))
            ready = above_m < _NEAR_M and tool[2] < GRASP_HEIGHT_M + _NEAR_M
            return Phase.CLOSE if ready and opening > 0.9 else phase
        if phase is Phase.CLOSE:
            if abs(opening - self._last_opening) > _OPENING_SETTLED:
                return phase
            return self._after_closing(opening)
        if phase is Phase.CARRY:
            if opening < _HELD_OPENING:
                self._was_lifted = False
                return Phase.RISE
            self._was_lifted = self._was_lifted or bool(tool[2] > _SAFE_HEIGHT_M)
            above_m = float(np.linalg.norm(tool[:2] - self._release_xy))
            arrived = above_m < _NEAR_M and tool[2] < self._release.height_m + _NEAR_M
            return Phase.RELEASE if arrived and self._was_lifted else phase
        if phase is Phase.RISE:
            return Phase.REACH if tool[2] > _SAFE_HEIGHT_M and opening > 0.9 else phase
        return phase

    def _after_closing(self, opening: float) -> Phase:
        self._wide_goal = None
        return Phase.CARRY if opening > _HELD_OPENING else Phase.RISE

    def _way(self, tool: Array, goal_xy: Array) -> Array:
        """Translation from the tool to where the phase wants it, shape (3,) [m]."""
        if self._phase is Phase.CLOSE:
            return np.zeros(3)
        if self._phase is Phase.REACH:
            return _funnel(tool, goal_xy, GRASP_HEIGHT_M, CARRY_HEIGHT_M)
        if self._phase is Phase.RISE:
            return np.array((0.0, 0.0, CARRY_HEIGHT_M - tool[2]))
        if self._phase is Phase.RELEASE:
            if self._release.sets_down and self._last_opening < _LET_GO_OPENING:
                return np.zeros(3)
            return np.array((0.0, 0.0, CARRY_HEIGHT_M + 0.03 - tool[2]))
        may_sink = self._was_lifted and self._release.sets_down
        if tool[2] < _SAFE_HEIGHT_M and not may_sink:
            return np.array((0.0, 0.0, CARRY_HEIGHT_M - tool[2]))
        return _funnel(tool, self._release_xy, self._release.height_m, CARRY_HEIGHT_M)

    def _draw_miss(self, objects: Array) -> Array | None:
        """A place near the target where a grasp touches nothing; none where there is no room."""
        target = objects[self._target_slice]
        for _ in range(50):
            goal = target + self._rng.uniform(-_MISS_REACH_M, _MISS_REACH_M, size=2)
            inside = np.all(goal > OBJECT_LOW_M) and np.all(goal < OBJECT_HIGH_M)
            away = np.abs(objects.reshape(2, 2) - goal)
            clear = np.any(away > (_MISS_CLEAR_X_M, _MISS_CLEAR_Y_M), axis=1)
            if inside and clear.all():
                return goal
        return None


def _funnel(tool: Array, goal_xy: Array, low_m: float, high_m: float) -> Array:
    """Translation towards `goal_xy`, no lower than the distance to it allows, shape (3,) [m]."""
    across = goal_xy - tool[:2]
    height_m = low_m + _FUNNEL_SLOPE * max(float(np.linalg.norm(across)) - _NEAR_M / 2, 0.0)
    return np.array((*across, min(height_m, high_m) - tool[2]))
