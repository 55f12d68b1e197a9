"""Demonstrations of the plate's task: the carrot from the table, and both objects from the hand.

In most, the expert takes the carrot and sets it down on the plate, as in the pot's task. In the
others recording begins with an object in the gripper already, the carrot or the sausage, somewhere
above the table: otherwise carrying is known along lines only that start at a carrot, and a sausage
in the gripper would be unfamiliar. Nobody shows how to pick up the sausage.
"""

import numpy as np
from tqdm import tqdm

from tmrl_cell.actions import MAX_TRANSLATION_M, ToolTarget
from tmrl_cell.demonstrations import Demonstrations, check_expert, joined
from tmrl_cell.episode import ExpertEpisode, follow_expert
from tmrl_cell.expert import Expert, Phase
from tmrl_cell.observation import context, proprio
from tmrl_cell.plate import PlateCell, onto, pretraining_plate_layout

HELD_PER_FULL = 5 / 8
"""Demonstrations that begin with an object in the gripper, for each of the others."""

_AWAY_SHARE = 0.6
"""Of those, how many begin away from where the object lay."""
_AWAY_LOW_M = (0.18, -0.24, 0.08)
_AWAY_HIGH_M = (0.37, 0.20, 0.15)
_LIFT_FIRST_M = 0.075
_CARRY_M = 0.1
_THERE_M = 0.012
_MOST_STEPS = 160


def generate(episodes: int, seed: int, cell: PlateCell | None = None) -> Demonstrations:
    """Rolls the expert until enough episodes succeeded, with a progress bar.

    Args:
        episodes: Of the carrot from the table, at least 1; 5 more for each 8 begin in the hand.
        seed: Of layouts and expert.
        cell: Where to roll; a new one if absent.

    Raises:
        ValueError: `episodes` is below 1.
        RuntimeError: The expert failed in most of its attempts.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; ask for at least 1")
    cell = cell or PlateCell()
    wanted = {False: episodes, True: round(HELD_PER_FULL * episodes)}
    kept: list[ExpertEpisode] = []
    attempts = 0
    with tqdm(total=sum(wanted.values()), desc="demonstrations", unit="episode") as progress:
        for is_held, count in wanted.items():
            until = len(kept) + count
            while len(kept) < until:
                rng = np.random.default_rng((seed, int(is_held), attempts))
                episode = _roll(cell, rng, is_held=is_held)
                attempts += 1
                if episode is not None and episode.success:
                    kept.append(episode)
                    progress.update()
                check_expert(len(kept), attempts)
    return joined(kept, attempts)


def _roll(cell: PlateCell, rng: np.random.Generator, *, is_held: bool) -> ExpertEpisode | None:
    """One episode; None where the object was lost before recording began."""
    layout = pretraining_plate_layout(rng)
    target = "sausage" if is_held and rng.random() < 0.5 else "carrot"
    release = onto(layout.plate_xy_m)
    expert = Expert(rng, target, 0.0 if is_held else 0.3, release)
    start: ToolTarget | None = ToolTarget.at(cell.begin(layout).tool_position_m)
    if is_held:
        start = _take(cell, expert, start)
        if start is not None and rng.random() < _AWAY_SHARE:
            start = _carry(cell, start, rng.uniform(_AWAY_LOW_M, _AWAY_HIGH_M))
    if start is None:
        return None
    return follow_expert(cell, start, expert, target, policy_sees=cell.policy_sees)


def _take(cell: PlateCell, expert: Expert, target: ToolTarget) -> ToolTarget | None:
    """Lets the expert grasp its object; the last commanded pose, None if it never does."""
    for _ in range(_MOST_STEPS):
        action = expert.act(proprio(cell.readings()), context(cell.object_poses()))
        if expert.phase is Phase.CARRY:
            return target
        target = target.moved(action)
        cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
    return None


def _carry(
    cell: PlateCell, target: ToolTarget, goal_m: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> ToolTarget | None:
    """Carries what is held to a place; the last commanded pose, None if it never comes there."""
    for _ in range(_MOST_STEPS):
        tool_m = cell.readings().tool_position_m
        way_m = goal_m - tool_m
        if float(np.linalg.norm(way_m)) <= _THERE_M:
            return target
        if tool_m[2] < _LIFT_FIRST_M:
            way_m = np.array((0.0, 0.0, _CARRY_M - tool_m[2]))
        way_m *= min(1.0, MAX_TRANSLATION_M / float(np.linalg.norm(way_m)))
        target = target.moved(np.array((*way_m, 0.0, 0.0, 0.0, 0.0)))
        cell.step(target.position_m, target.quaternion_wxyz, target.gripper_opening)
    return None
