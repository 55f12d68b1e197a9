"""Under `ros2 launch` every process has the time to end that `./tmrl up` gives it.

ROS's launch is no wheel, so stand-ins take the place of its actions here and keep what they get.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tmrl_bringup.arguments import ARGUMENTS
from tmrl_bringup.parts import SERVER, part_of

DECLARED = {"rig": "widowx"} | {name: each.default for name, each in ARGUMENTS.items()}


class Action:
    """Any action or event of launch: keeps its arguments."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.given, self.named = given, named


class Node(Action):
    """A ROS node's process."""


class ExecuteProcess(Action):
    """Another process."""


class OpaqueFunction(Action):
    """Calls a function when the description is visited."""


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Action]:
    """`session_launch_description` on the stand-ins."""

    def stand_in(name: str, *classes: type) -> None:
        module = ModuleType(name)
        for each in classes:
            setattr(module, each.__name__, each)
        monkeypatch.setitem(sys.modules, name, module)

    def plain(*names: str) -> list[type]:
        return [type(name, (Action,), {}) for name in names]

    stand_in("launch", Action, *plain("LaunchContext", "LaunchDescription"))
    others = plain("DeclareLaunchArgument", "LogInfo", "RegisterEventHandler", "TimerAction")
    stand_in("launch.actions", ExecuteProcess, OpaqueFunction, *others)
    stand_in("launch.event_handlers", *plain("OnProcessIO"))
    stand_in("launch.events")
    stand_in("launch.events.process", *plain("ProcessExited", "ProcessIO"))
    stand_in("launch_ros")
    stand_in("launch_ros.actions", Node)
    monkeypatch.delitem(sys.modules, "tmrl_bringup.launching", raising=False)
    from tmrl_bringup.launching import session_launch_description

    monkeypatch.delitem(sys.modules, "tmrl_bringup.launching")
    return session_launch_description


def started(description: Action, run_dir: Path) -> list[Action]:
    """The processes that a launch of the simulated rig starts."""
    given = {"sim": "true", "run_dir": str(run_dir)}
    context = SimpleNamespace(launch_configurations={**DECLARED, **given})
    (start,) = (each for each in description.given[0] if isinstance(each, OpaqueFunction))
    actions = start.named["function"](context)
    return [action for action in actions if isinstance(action, Node | ExecuteProcess)]


def test_every_process_has_the_grace_of_its_part(
    describe: Callable[[str], Action], tmp_path: Path
) -> None:
    processes = started(describe("widowx"), tmp_path)
    names = {process.named["name"] for process in processes}
    assert {SERVER, "learning", "controller", "agent", "operator"} < names
    for process in processes:
        name = process.named["name"]
        part = "driver" if name == "sim" else name
        # SIGINT comes first; SIGTERM, which launch reports as an error, only after the grace.
        assert float(process.named["sigterm_timeout"]) == part_of(part).stop_grace_s, name
        assert float(process.named["sigkill_timeout"]) > 0.0


def test_the_learner_has_time_to_write_its_checkpoint_and_to_let_go_of_torch_and_wandb() -> None:
    assert part_of("learning").stop_grace_s > part_of("agent").stop_grace_s
