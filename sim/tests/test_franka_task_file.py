"""A task file that cannot be is refused by name, with the remedy."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml

from tmrl_cell.franka.task_file import load_task, parse_task
from tmrl_cell.layouts import LayoutName
from tmrl_common.errors import ConfigError

TEXT = files("tmrl_cell").joinpath("tasks", "press_button.yaml").read_text(encoding="utf-8")


def changed(path: str, value: object) -> str:
    """The shipped task with one value replaced, or taken away where it is None."""
    whole = yaml.safe_load(TEXT)
    *parents, last = path.split(".")
    part = whole
    for name in parents:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return yaml.safe_dump(whole, sort_keys=False)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("success", None, "success is missing; say when the task is solved, such as"),
        ("success.pressed", "rde", "there is no object 'rde'; did you mean 'red'?"),
        ("success.by_m", 0.05, "success.by_m is 0.05; it must be a number from 0.001 to 0.01"),
        ("objects.red.kind", "lever", "objects.red: unknown kind 'lever'; Valid: button"),
        ("objects.red.rgba", [1.0, 0.0], "it must be a list of 4 numbers"),
        ("objects", {}, "objects is empty"),
        ("objects", {"link3": {}}, "'link3' is no name for an object; use letters"),
        ("goal", {}, "unknown key 'goal'"),
        ("layouts.downstream", None, "downstream is missing"),
        ("layouts.downstream.objects.red", None, "red is missing"),
        ("layouts.downstream.objects.red.x_m", [0.6, 0.5], "write the smaller number first"),
        ("layouts.downstream.apart_m", 0.9, "no layout was found"),
        ("time_limit_s", True, "time_limit_s is True"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(path: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        task = parse_task("mine", changed(path, value), "mine.yaml")
        task.layouts[LayoutName.DOWNSTREAM].draw(np.random.default_rng(0))
    assert expected in str(refusal.value)


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean 'press_button'"):
        load_task("press_buton")


def test_a_file_of_ones_own_is_a_task(tmp_path: Path) -> None:
    path = tmp_path / "press_later.yaml"
    path.write_text(changed("time_limit_s", 12.0))
    task = load_task(str(path))
    assert (task.name, task.time_limit_s, task.object_names) == (
        "press_later",
        12.0,
        ("blue", "red"),
    )


@pytest.mark.parametrize("layout", LayoutName)
def test_objects_stand_in_their_ranges_and_apart(layout: LayoutName) -> None:
    ranges = load_task("press_button").layouts[layout]
    for seed in range(50):
        drawn = ranges.draw(np.random.default_rng(seed))
        for name, place in drawn.objects_m.items():
            for value, (low, high) in zip(place, ranges.objects_m[name], strict=True):
                assert low <= value <= high
        blue, red = (np.array(drawn.objects_m[name]) for name in ("blue", "red"))
        assert np.linalg.norm(blue - red) >= ranges.apart_m
