"""Rolls one episode of the scripted expert in a cell."""

from collections.abc import Callable
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
    """Shape (steps, C), what the policy will see: 4 numbers in the pot's task."""
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
    start = ToolTarget.at(cell.reset(layout).tool_position_m)
    return follow_expert(cell, start, expert, target, steps_after_success)


def follow_expert(
    cell: Cell,
    start: ToolTarget,
    expert: Expert,
    target: str,
    steps_after_success: int = 3,
    policy_sees: Callable[[], NDArray[np.float32]] | None = None,
) -> ExpertEpisode:
    """Lets the expert act from where the arm is until it succeeded or ran out of time.

    Args:
        cell: The cell as it is.
        start: The last commanded pose.
        expert: One for `target`, in any phase.
        target: The object that must end where it belongs.
        steps_after_success: Rows to record after the success.
        policy_sees: Gives the context to record; None: where the objects are, as the expert sees.
    """
    target_pose = start
    rows: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]] = []
    success_at: int | None = None
    for step in range(MAX_STEPS):
        if success_at is None and cell.success(target):
            success_at = step
        if success_at is not None and step >= success_at + steps_after_success:
            break
        robot, objects = proprio(cell.readings()), context(cell.object_poses())
        seen = robot, objects if policy_sees is None else policy_sees()
        action = expert.act(robot, objects)
        target_pose = target_pose.moved(action)
        cell.step(target_pose.position_m, target_pose.quaternion_wxyz, target_pose.gripper_opening)
        rows.append((*seen, action))
    proprios, contexts, actions = (np.stack(column) for column in zip(*rows, strict=True))
    return ExpertEpisode(proprios, contexts, actions, success_at is not None)
