"""The button task of the simulated Franka cell, for evaluation and fine-tuning."""

import numpy as np
from numpy.typing import NDArray

from tmrl_cell.demonstrations import Demonstrations
from tmrl_cell.franka import demonstrations
from tmrl_cell.franka.button_task import ButtonTask
from tmrl_cell.franka.cell import FrankaCell
from tmrl_cell.franka.task_file import TaskFile, load_task
from tmrl_cell.layouts import LayoutName
from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_learner.pretrain.evaluate import Scene

TASK = "press_button"
# Keeps evaluation layouts apart from the demonstrations', which are drawn from (seed, attempt).
_EVALUATION_STREAM = 77


class ButtonEnvironment:
    """Press one button.

    That of the demonstrations comes with their layouts, the other one with those downstream.
    """

    def __init__(self, target: str, task: TaskFile | None = None) -> None:
        """Makes a cell of its own.

        Args:
            target: Name of the button.
            task: The task; None: `TASK`.

        Raises:
            ConfigError: Neither the demonstrations nor the task press this button.
        """
        task = task or load_task(TASK)
        goals = {
            task.demonstrated.name: (task.demonstrated, LayoutName.PRETRAINING),
            task.success.name: (task.success, LayoutName.DOWNSTREAM),
        }
        if target not in goals:
            raise ConfigError(f"target is {target!r}; {nearest_name(target, [*goals])}")
        goal, layout = goals[target]
        self._layouts = task.layouts[layout]
        self._task = ButtonTask(FrankaCell(task), goal)

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        return self._task.max_steps

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        rng = np.random.default_rng((_EVALUATION_STREAM, seed))
        return Scene(*self._task.reset(self._layouts.draw(rng)))

    def step(self, action: NDArray[np.float32]) -> Scene:
        """Executes one action of droid_joint_velocity_8, shape (8,)."""
        return Scene(*self._task.step(action))


def generate(episodes: int, seed: int) -> Demonstrations:
    """Records demonstrations of the button task; see `tmrl_cell.franka.demonstrations.generate`."""
    return demonstrations.generate(FrankaCell(load_task(TASK)), episodes, seed)
