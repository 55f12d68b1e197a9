"""Rolls one episode of the scripted expert in a cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.actions import ToolTarget
from tmrl_cell.expert import Expert
from tmrl_cell.layouts import Layout
from tmrl_cell.observation import context, proprio
from tmrl_cell.readings import Cell

MAX_STEPS = 100
"""Time limit of an episode in control steps: 20 s at 5 Hz."""


@dataclass(frozen=True)
class ExpertEpisode:
    """What was seen and done, one row per control step."""

    proprio: NDArray[np.float32]
    """Shape (steps, 5)."""
    context: NDArray[np.float32]
    """Shape (steps, 4)."""
    actions: NDArray[np.float32]
    """Shape (steps, 7)."""
    success: bool
    """Whether the target was put into the pot in time."""


def run_expert(
    cell: Cell, layout: Layout, expert: Expert, target: str, steps_after_success: int = 3
) -> ExpertEpisode:
    """Lets the expert act from `layout` until it succeeded or ran out of time.

    Args:
        cell: The cell; it is reset.
        layout: The start.
        expert: A fresh expert for `target`.
        target: The object that must end in the pot.
        steps_after_success: Rows to record after the success.
    """
    target_pose = ToolTarget.at(cell.reset(layout).tool_position_m)
    rows: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]] = []
    success_at: int | None = None
    for step in range(MAX_STEPS):
        if success_at is None and cell.success(target):
            success_at = step
        if success_at is not None and step >= success_at + steps_after_success:
            break
        seen = proprio(cell.readings()), context(cell.object_poses())
        action = expert.act(*seen)
        target_pose = target_pose.moved(action)
        cell.step(target_pose.position_m, target_pose.quaternion_wxyz, target_pose.gripper_opening)
        rows.append((*seen, action))
    proprios, contexts, actions = (np.stack(column) for column in zip(*rows, strict=True))
    return ExpertEpisode(proprios, contexts, actions, success_at is not None)
