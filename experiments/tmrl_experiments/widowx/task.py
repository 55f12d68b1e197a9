"""The simulated cells as tasks for evaluation and fine-tuning, by name."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_cell import pick_task
from tmrl_cell.cell import CONTROL_PERIOD_S, WidowXCell
from tmrl_cell.episode import MAX_STEPS
from tmrl_cell.franka import cell as franka
from tmrl_cell.layouts import Layout, downstream_layout, pretraining_layout
from tmrl_cell.plate import (
    PlateCell,
    PlateLayout,
    downstream_plate_layout,
    pretraining_plate_layout,
)
from tmrl_common.errors import ConfigError
from tmrl_experiments.franka.task import ButtonEnvironment
from tmrl_learner.pretrain.evaluate import Scene, TaskEnvironment
from tmrl_policies.keypoint_encoder import KeypointEncoder

_LAYOUTS: dict[str, Callable[[np.random.Generator], Layout]] = {
    "carrot": pretraining_layout,
    "sausage": downstream_layout,
}
_PLATE_LAYOUTS: dict[str, Callable[[np.random.Generator], PlateLayout]] = {
    "carrot": pretraining_plate_layout,
    "sausage": downstream_plate_layout,
}
# Keeps evaluation layouts apart from the demonstrations', which are drawn from (seed, attempt).
_EVALUATION_STREAM = 77


class PickTask:
    """Put one object into the pot.

    The carrot task draws layouts as the demonstrations do; the sausage task is the downstream one,
    which no demonstration solves.
    """

    def __init__(
        self,
        cell: WidowXCell,
        target: str,
        policy_sees: Callable[[], NDArray[np.float32]] | None = None,
    ) -> None:
        """Wraps a cell, which is reset at every episode.

        Args:
            cell: The simulated cell.
            target: "carrot" or "sausage".
            policy_sees: Gives the context; None: where the objects are.

        Raises:
            ValueError: There is no such task.
        """
        self._task = pick_task.PickTask(cell, target, policy_sees)

    @property
    def max_steps(self) -> int:
        """Time limit of an episode in control steps."""
        return MAX_STEPS

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        return Scene(*self._task.reset(_LAYOUTS[self._task.target](_layout_rng(seed))))

    def step(self, action: NDArray[np.float32]) -> Scene:
        """Executes one action: dx, dy, dz [m] from the last commanded target, gripper opening."""
        return Scene(*self._task.step(action))


class PlateTask(PickTask):
    """Set one object down on the plate, which is somewhere else in every episode.

    Args:
        cell: The simulated cell.
        target: "carrot", as in the demonstrations, or "sausage", the downstream task.

    Raises:
        ValueError: There is no such task.
    """

    def __init__(self, cell: PlateCell, target: str) -> None:
        super().__init__(cell, target, cell.policy_sees)
        self._cell = cell

    def reset(self, seed: int) -> Scene:
        """Starts an episode whose layout follows from ``seed``."""
        layout = _PLATE_LAYOUTS[self._task.target](_layout_rng(seed))
        return Scene(*self._task.begin(self._cell.begin(layout)))


def looking_task(target: str, encoder: KeypointEncoder) -> TaskEnvironment:
    """The pot's task as a policy sees it that looks through cameras; each has a cell of its own.

    Args:
        target: "carrot" or "sausage".
        encoder: Makes the context from pictures of the instant.
    """
    cell, shape = WidowXCell(), encoder.config

    def look() -> NDArray[np.float32]:
        size_px = shape.size_px
        return encoder.encode({name: cell.render(name, size_px, size_px) for name in shape.cameras})

    return PickTask(cell, target, look)


def _layout_rng(seed: int) -> np.random.Generator:
    return np.random.default_rng((_EVALUATION_STREAM, seed))


TASKS: dict[str, Callable[[str], TaskEnvironment]] = {
    "pot": lambda target: PickTask(WidowXCell(), target),
    "plate": lambda target: PlateTask(PlateCell(), target),
    "press_button": ButtonEnvironment,
}
"""Name: makes the task with a cell of its own, given the object that is to be moved or pressed."""


@dataclass(frozen=True)
class TaskSettings:
    """What belongs to a task beside its cell.

    Attributes:
        rig: In whose cell it is.
        demonstrated: Object of the demonstrations.
        target: Object of the downstream task.
        horizon: Actions of a chunk.
        execute_steps: How many of them are executed.
        control_period_s: Time of one action [s].
        action_dim: Numbers of one action.
    """

    rig: str = "widowx_sim"
    demonstrated: str = "carrot"
    target: str = "sausage"
    horizon: int = 16
    execute_steps: int = 5
    control_period_s: float = CONTROL_PERIOD_S
    action_dim: int = 4


SETTINGS = {
    "pot": TaskSettings(),
    "plate": TaskSettings(),
    "press_button": TaskSettings(
        "franka_sim",
        "blue",
        "red",
        horizon=10,
        execute_steps=8,
        control_period_s=franka.CONTROL_PERIOD_S,
        action_dim=8,
    ),
}
"""Of each of `TASKS`."""


OBSERVED = ("state", "cameras")
"""What a policy is shown: the objects' positions, or pictures."""


def suffix_of(task: str, observed: str = "state") -> str:
    """What the names of a task's files and folders end in; nothing for the first task of a rig."""
    return (f"_{task}" if task == "plate" else "") + ("" if observed == "state" else f"_{observed}")


def tasks_of(rig: str) -> list[str]:
    """The tasks in the cell of a rig, its first one first."""
    return [task for task, settings in SETTINGS.items() if settings.rig == rig]


def check_observed(task: str, observed: str) -> None:
    """Refuses what nobody has made.

    Raises:
        ConfigError: Only the pot's task is seen through cameras.
    """
    if observed != "state" and task != "pot":
        raise ConfigError(
            f"--observe {observed} goes with --task pot: no policy looks at the task {task}"
        )
