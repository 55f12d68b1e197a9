"""Demonstrations for pre-training: the scripted expert does what the task's file demonstrates.

The hand is shaky on purpose: what is executed differs from what is recorded, so that the policy
learns the way back. Episodes begin anywhere, high or low, with the arm a little out of its posture.
"""

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_cell.demonstrations import Demonstrations, check_expert
from tmrl_cell.franka.button_task import ButtonTask
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.franka.expert import ButtonExpert
from tmrl_cell.layouts import LayoutName

_OFF_RAD = 0.06
_SHAKE = 0.02
_SHAKE_KEPT = 0.8
_ROWS_AFTER_SUCCESS = 3

Episode = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def generate(cell: FrankaCell, episodes: int, seed: int) -> Demonstrations:
    """Rolls the expert until `episodes` episodes succeeded, with a progress bar.

    Args:
        cell: Where to roll, and the task.
        episodes: Number of successful episodes, at least 1.
        seed: Of layouts, expert and shaking.

    Raises:
        ValueError: `episodes` is below 1.
        RuntimeError: The expert failed in most of its attempts.
    """
    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; ask for at least 1")
    kept: list[Episode] = []
    attempts = 0
    with tqdm(total=episodes, desc="demonstrations", unit="episode") as progress:
        while len(kept) < episodes:
            episode = roll(cell, np.random.default_rng((seed, attempts)))
            attempts += 1
            if episode is not None:
                kept.append(episode)
                progress.update()
            check_expert(len(kept), attempts)
    lengths = np.array([len(actions) for _, _, actions in kept], dtype=np.int64)
    proprio, context, actions = (np.concatenate(column) for column in zip(*kept, strict=True))
    starts = np.cumsum(lengths) - lengths
    return Demonstrations(proprio, context, actions, starts, lengths, attempts)


def roll(cell: FrankaCell, rng: np.random.Generator) -> Episode | None:
    """Rolls one episode in a layout of the demonstrations.

    Args:
        cell: Where to roll, and the task.
        rng: Source of everything.

    Returns:
        Proprio (steps, 8), context (steps, C) and actions (steps, 8); None if the expert failed.
    """
    layout = cell.task.layouts[LayoutName.PRETRAINING].draw(rng)
    goal = cell.task.demonstrated
    task = ButtonTask(cell, goal)
    expert = ButtonExpert(rng, cell.kinematics, layout.objects_m[goal.name])
    scene = task.reset(layout, rng.normal(scale=_OFF_RAD, size=7))
    rows: list[Episode] = []
    shake, left = np.zeros(8), -1
    for _ in range(task.max_steps):
        left = _ROWS_AFTER_SUCCESS if left < 0 and scene.success else left - (left > 0)
        if left == 0:
            break
        action = expert.act(cell.readings().joint_position_rad)
        rows.append((scene.proprio, scene.context, action))
        shake = _SHAKE_KEPT * shake
        shake[:7] += rng.normal(scale=_SHAKE * (1.0 - _SHAKE_KEPT**2) ** 0.5, size=7)
        scene = task.step(action + shake)
    if left < 0:
        return None
    proprio, context, actions = (np.stack(column) for column in zip(*rows, strict=True))
    return proprio, context, actions
