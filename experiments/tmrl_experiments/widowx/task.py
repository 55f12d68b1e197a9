"""The simulated WidowX cell as tasks for evaluation; the only module here that imports a cell."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tmrl_cell import pick_task
from tmrl_cell.cell import WidowXCell
from tmrl_cell.episode import MAX_STEPS
from tmrl_cell.layouts import Layout, downstream_layout, pretraining_layout
from tmrl_learner.pretrain.evaluate import Scene

_LAYOUTS: dict[str, Callable[[np.random.Generator], Layout]] = {
    "carrot": pretraining_layout,
    "sausage": downstream_layout,
}
# Keeps evaluation layouts apart from the demonstrations', which are drawn from (seed, attempt).
_EVALUATION_STREAM = 77


class PickTask:
    """Put one object into the pot.

    The carrot task draws layouts as the demonstrations do; the sausage task is the downstream one,
    which no demonstration solves.
    """

    def __init__(self, cell: WidowXCell, target: str) -> None:
        """Wraps a cell, which is reset at every episode.

        Args:
            cell: The simulated cell.
            target: "carrot" or "sausage".

        Raises:
            ValueError: There is no such task.
        """
        self._task = pick_task.PickTask(cell, target)

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        return MAX_STEPS

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        rng = np.random.default_rng((_EVALUATION_STREAM, seed))
        return Scene(*self._task.reset(_LAYOUTS[self._task.target](rng)))

    def step(self, action: NDArray[np.float32]) -> Scene:
        """Executes one action: dx, dy, dz [m] from the last commanded target, gripper opening."""
        return Scene(*self._task.step(action))
