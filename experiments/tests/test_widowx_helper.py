"""The scripted person: when it drives, and that it solves what it takes over."""

import pytest

from tmrl_cell.cell import WidowXCell
from tmrl_common.errors import ConfigError
from tmrl_experiments.widowx.helper import Patience, ScriptedHelper
from tmrl_experiments.widowx.task import PickTask


def test_it_watches_first_and_helps_in_the_first_episodes_only() -> None:
    helper = ScriptedHelper("sausage", 0, Patience(episodes=2, watched_chunks=3, driven_chunks=2))
    drives = [[helper.drives(episode, chunk) for chunk in range(7)] for episode in (1, 2, 3)]
    helped = [False, False, False, True, True, False, False]
    assert drives == [helped, helped, [False] * 7]


@pytest.mark.parametrize("target", ["carrot", "sausage"])
def test_it_puts_the_target_into_the_pot_from_wherever_the_arm_was_left(target: str) -> None:
    task = PickTask(WidowXCell(), target)
    helper = ScriptedHelper(target, 0, Patience())
    for episode in (1, 2):
        scene = task.reset(episode)
        for _ in range(10):
            scene = task.step(scene.proprio[[2, 0, 1, 3]] * [0.1, 0.1, -0.05, 1.0])
        steps = 0
        while not scene.success and steps < task.max_steps:
            scene, steps = task.step(helper.act(episode, scene)), steps + 1
        assert scene.success


def test_patience_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"patience\.driven_chunks"):
        Patience(driven_chunks=0)
