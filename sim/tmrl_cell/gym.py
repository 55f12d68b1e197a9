"""The cell as Gymnasium environments, for algorithms that know nothing of ROS.

    env = gymnasium.make("tmrl_cell.gym:tmrl/WidowXPick-v0")

The part before the colon imports this module, which registers the environments. One step is one
control period, 0.2 s of simulated time. What the robot does is the same as over ROS 2; what is not
there is the controller with its safety layer.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tmrl_cell.actions import MAX_TRANSLATION_M
from tmrl_cell.cell import CONTROL_PERIOD_S, WidowXCell
from tmrl_cell.episode import MAX_STEPS
from tmrl_cell.layouts import LayoutName, downstream_layout, pretraining_layout
from tmrl_cell.observation import CONTEXT_NAMES, PROPRIO_NAMES
from tmrl_cell.pick_task import PickScene, PickTask
from tmrl_common.config import nearest_name

Array = NDArray[np.float32]
Observation = dict[str, Array]

_DRAW_LAYOUT = {
    LayoutName.DOWNSTREAM: downstream_layout,
    LayoutName.PRETRAINING: pretraining_layout,
}
_OPTIONS = ("target", "layout")


class WidowXPickEnv(gymnasium.Env[Any, Array]):
    """Put one of two objects into the pot.

    Observation, a dictionary of float32 arrays in raw units:

    - `proprio` (5,): tool x, y, z in the base frame [m], gripper opening measured and commanded
      (0 closed, 1 open).
    - `context` (4,): carrot x, y, sausage x, y in the base frame [m]. Nothing says which of them
      is the target: that is to be found out from the reward.

    Action (4,), float32: dx, dy, dz [m] in the base frame relative to the last commanded target,
    and the gripper opening to command. The translation is shortened to 25 mm, the target kept in
    the workspace box.

    Reward: 0 on the step that succeeds, -1 on every other. `terminated` means success, `truncated`
    that the time limit of 100 steps (20 s) has passed without it; never both. `info` has `success`
    and `wrong_object` (the other object lies in the pot).

    `reset(options={"target": "carrot", "layout": "pretraining"})` changes the task for the coming
    episode only. Layouts are drawn from the environment's generator, so `reset(seed=...)` fixes
    them and all that follow.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium declares it so)
        "render_modes": ["rgb_array"],
        "render_fps": round(1.0 / CONTROL_PERIOD_S),
    }

    def __init__(
        self,
        target: str = "sausage",
        layout: str = LayoutName.DOWNSTREAM.value,
        render_mode: str | None = None,
        camera: str = "overview",
    ) -> None:
        """Loads the cell.

        Args:
            target: Object that belongs into the pot, "carrot" or "sausage".
            layout: "downstream" or "pretraining": where objects and arm start.
            render_mode: "rgb_array", or None where nothing is rendered.
            camera: "overview" or "wrist".

        Raises:
            ValueError: A name is unknown; the text gives the valid ones.
        """
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode is {render_mode!r}; it must be rgb_array or None")
        self.render_mode = render_mode
        self._camera = camera
        self._cell = WidowXCell()
        self._target, self._layout = target, _layout_name(layout)
        self._task = PickTask(self._cell, target)
        self._steps = 0
        unbounded = np.full(len(CONTEXT_NAMES), np.inf, np.float32)
        reach = np.array([1.0, 1.0, 1.0], np.float32)
        openings = np.ones(len(PROPRIO_NAMES) - 3, np.float32)
        low, high = np.append(-reach, 0.0 * openings), np.append(reach, openings)
        self.observation_space = spaces.Dict(
            {
                "proprio": spaces.Box(low, high, dtype=np.float32),
                "context": spaces.Box(-unbounded, unbounded, dtype=np.float32),
            }
        )
        step_m = MAX_TRANSLATION_M
        self.action_space = spaces.Box(
            np.array([-step_m, -step_m, -step_m, 0.0], np.float32),
            np.array([step_m, step_m, step_m, 1.0], np.float32),
            dtype=np.float32,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Of this and all later layouts; None continues with the present generator.
            options: `target` and `layout` of this episode, where they differ.

        Raises:
            ValueError: An option is unknown or has no such value.
        """
        super().reset(seed=seed)
        chosen = options or {}
        for name in chosen:
            if name not in _OPTIONS:
                raise ValueError(f"unknown option {name!r}. {nearest_name(name, [*_OPTIONS])}")
        layout = _layout_name(chosen.get("layout", self._layout))
        self._task = PickTask(self._cell, chosen.get("target", self._target))
        self._steps = 0
        scene = self._task.reset(_DRAW_LAYOUT[layout](self.np_random))
        return _observation(scene), _info(scene)

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Executes one action; see the class for shapes, units and the reward.

        Raises:
            ValueError: The action is not finite.
        """
        scene = self._task.step(action)
        self._steps += 1
        truncated = self._steps >= MAX_STEPS and not scene.success
        reward = 0.0 if scene.success else -1.0
        return _observation(scene), reward, scene.success, truncated, _info(scene)

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """A picture, (224, 224, 3) RGB uint8; None where no render mode was asked for."""
        return self._cell.render(self._camera) if self.render_mode is not None else None

    def close(self) -> None:
        """Releases the renderer."""
        self._cell.close()


def _layout_name(name: str) -> LayoutName:
    valid = [layout.value for layout in LayoutName]
    if name not in valid:
        raise ValueError(f"layout is {name!r}; {nearest_name(name, valid)}")
    return LayoutName(name)


def _observation(scene: PickScene) -> Observation:
    return {"proprio": scene.proprio, "context": scene.context}


def _info(scene: PickScene) -> dict[str, Any]:
    return {"success": scene.success, "wrong_object": scene.wrong_object}


def _register(name: str, target: str, layout: LayoutName) -> None:
    entry_point = f"{__name__}:{WidowXPickEnv.__name__}"
    gymnasium.register(  # pyright: ignore[reportUnknownMemberType]
        name, entry_point, kwargs={"target": target, "layout": layout.value}
    )


_register("tmrl/WidowXPick-v0", "sausage", LayoutName.DOWNSTREAM)
_register("tmrl/WidowXPickPretraining-v0", "carrot", LayoutName.PRETRAINING)
