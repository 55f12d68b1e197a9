"""The demo's cell over sigma: does the arm go to the carrot, the sausage, or neither?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tmrl_cell.cell import WidowXCell
from tmrl_cell.layouts import DOWNSTREAM_CENTRE_M, POT_POSITION_M
from tmrl_experiments.spectrum.panel import SIGMAS, Mark, Panel, Rollout
from tmrl_experiments.widowx.task import PickTask
from tmrl_learner.pretrain.evaluate import BaseSteering, draw_chunk
from tmrl_policies.flow_checkpoint import load_flow_policy
from tmrl_policies.flow_policy import FlowPolicy

WANTED, WRONG, NEITHER = "sausage in the pot", "carrot in the pot", "neither"
_EXECUTE_STEPS = 5
_OBJECT_M = (0.070, 0.028)
_POT_M = (0.114, 0.114)


def panel(
    checkpoint: Path, rollouts: int, seed: int, on_rollout: Callable[[], object] = lambda: None
) -> Panel:
    """Rolls the demo's base policy out on the task that no demonstration solves.

    Args:
        checkpoint: Folder of a context-smoothed policy of the cell.
        rollouts: Per sigma.
        seed: Of layouts and noise.
        on_rollout: Called after each, for progress.

    Raises:
        CheckpointError: The folder holds no such policy.
    """
    policy = load_flow_policy(checkpoint).policy
    cell = WidowXCell()
    task = PickTask(cell, "sausage")
    episodes: dict[float, list[Rollout]] = {}
    for sigma in SIGMAS:
        episodes[sigma] = []
        for i in range(rollouts):
            episodes[sigma].append(roll_out(policy, task, sigma, seed + i))
            on_rollout()
    cell.close()
    objects = [Mark(name, at_m, _OBJECT_M) for name, at_m in DOWNSTREAM_CENTRE_M.items()]
    return Panel(
        title="WidowX: put the sausage into the pot. All demonstrations put the carrot there",
        context="the positions of carrot and sausage",
        low_m=(0.14, -0.29),
        high_m=(0.40, 0.23),
        marks=[*objects, Mark("pot", POT_POSITION_M, _POT_M)],
        outcomes=(WANTED, WRONG, NEITHER),
        rollouts=episodes,
    )


def roll_out(policy: FlowPolicy, task: PickTask, sigma: float, seed: int) -> Rollout:
    """Runs one episode until the sausage or the carrot is in the pot, or its time is up.

    Args:
        policy: In evaluation mode.
        task: The sausage task.
        sigma: Context time of every chunk.
        seed: Of the layout and of every draw of noise.
    """
    steering = BaseSteering(sigma)
    generator = torch.Generator().manual_seed(seed)
    scene = task.reset(seed)
    path_m, outcome = [scene.proprio[:2]], NEITHER
    while outcome is NEITHER and len(path_m) <= task.max_steps:
        for action in draw_chunk(policy, scene, steering, generator)[:_EXECUTE_STEPS]:
            scene = task.step(action)
            path_m.append(scene.proprio[:2])
            if scene.success or scene.wrong_object:
                outcome = WANTED if scene.success else WRONG
                break
    return Rollout(np.stack(path_m), outcome)
