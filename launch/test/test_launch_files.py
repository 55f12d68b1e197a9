"""What `ros2 launch` hands over is applied or refused; nothing that was asked for is ignored."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tmrl_bringup import arguments
from tmrl_bringup.arguments import ARGUMENTS, from_launch
from tmrl_bringup.restarts import BAD_CONFIGURATION, MAX_RESTARTS
from tmrl_bringup.rig import RigError, load, parse_overrides
from tmrl_bringup.up import Session, resolve

DECLARED = {"rig": "widowx"} | {name: each.default for name, each in ARGUMENTS.items()}
_TIMEOUT_S = 120.0
FILES = Path(__file__).resolve().parents[1]


def launched(**given: Any) -> Session:
    """What widowx.launch.py starts: a context holds the defaults, and what the caller gave."""
    context = SimpleNamespace(launch_configurations={**DECLARED, **given})
    return resolve(*from_launch("widowx", context.launch_configurations))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"simm": "true"}, r"unknown argument simm; did you mean sim\?"),
        ({"set": "controller.sigma_cap:=0.3"}, "unknown argument set; .*part.key"),
        ({"sim": "1"}, "sim is '1'; valid: true, false"),
        ({"sim": "maybe"}, "sim is 'maybe'; valid: true, false"),
        ({"sim": "true", "rig": "my_widowx.yaml"}, "my_widowx.yaml exclude each other"),
        ({"sim": "true", "rig": "frank"}, r"unknown rig frank; did you mean franka\?"),
        ({"sim": "true", "method": "tmlr"}, r"method is 'tmlr'; did you mean tmrl\?"),
        ({"sim": "true", "controler.sigma_cap": "0.3"}, r"did you mean controller\?"),
        ({"sim": "true", "controller.sigma_capp": "0.3"}, r"did you mean sigma_cap\?"),
        ({"sim": "true", "controller.sigma_cap": "3"}, "sigma_cap is 3"),
        ({"sim": "true", "controller.sigma_cap": ""}, "controller.sigma_cap: "),
        ({"sim": "true", "sigterm_timeout": "1"}, "unknown argument sigterm_timeout"),
        ({"sim": "true", "ros_namespace": "/lab"}, "robot:=NAME"),
        ({"sim": "true", "global_params": [("sigma_cap", 1.0)]}, "give parameters as part.key"),
    ],
)
def test_what_cannot_be_applied_is_refused_by_name(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RigError, match=sentence):
        launched(**given)


def test_sim_of_a_rig_without_a_simulation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "available", lambda: ["franka", "widowx", "widowx_sim"])
    with pytest.raises(RigError, match=r"franka has no simulated counterpart.*: widowx"):
        launched(sim="true", rig="franka")


def test_a_parameter_that_no_launch_file_declares_is_applied() -> None:
    session = launched(sim="true", **{"controller.sigma_cap": "0.3"})
    assert session.rig.parts["controller"]["sigma_cap"] == 0.3


def test_arguments_of_an_including_launch_file_are_refused_with_the_way_to_keep_them_back() -> None:
    with pytest.raises(RigError, match=r"use_rviz.*GroupAction\(scoped=True, forwarding=False\)"):
        launched(sim="true", use_rviz="true")


def test_what_launch_reads_itself_is_left_to_it() -> None:
    assert launched(sim="true", **{"launch-prefix": "nice"}).rig.simulated


@pytest.mark.parametrize(
    "argv",
    [
        ["sim:=true"],
        ["sim:=true", "controller.sigma_cap:=0.3", "driver.layout:=pretraining"],
        ["sim:=true", "method:=dsrl", "seed:=3", "episodes:=4", "robot:=left", "label:=manual"],
        ["sim:=true", "parts:=agent,operator", "agent.lock_step:=false"],
    ],
)
def test_a_launch_file_and_up_start_the_same(tmp_path: Path, argv: list[str]) -> None:
    words = [*argv, f"run_dir:={tmp_path}"]
    up = resolve("widowx", parse_overrides(words))
    assert launched(**dict(word.split(":=", 1) for word in words)) == up


def test_another_name_of_the_robot_reaches_every_part() -> None:
    rig = launched(sim="true", robot="left").rig
    assert rig.robot == "left"
    named = {part: values["robot"] for part, values in rig.parts.items() if "robot" in values}
    assert named == dict.fromkeys({*rig.parts} - {"policy_server"}, "left")


def test_a_simulated_rig_stays_one_when_asked_for_the_simulation(tmp_path: Path) -> None:
    by_name = resolve("widowx_sim", {"sim": "true", "run_dir": str(tmp_path)})
    assert by_name.rig == resolve("widowx", {"sim": "true", "run_dir": str(tmp_path)}).rig


def test_a_file_says_itself_whether_it_is_simulated(tmp_path: Path) -> None:
    content = load("widowx_sim").as_dict()
    del content["rig"]
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(content))
    assert launched(rig=str(file)).rig.simulated


# In a process of its own: pytest gives this folder the module name `launch`.
_LAUNCH = """
import sys
from launch.actions import IncludeLaunchDescription, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessStart
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription, LaunchService

file, *words = sys.argv[1:]
arguments = [tuple(word.split(":=", 1)) for word in words]
include = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=arguments)
enough = RegisterEventHandler(OnProcessStart(on_start=lambda *_: Shutdown(reason="started")))
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([enough, include]))
sys.exit(service.run())
"""
needs_launch = pytest.mark.skipif(
    find_spec("launch_ros") is None, reason="launch is not installed here; no wheel has it"
)


def _launch(tmp_path: Path, file: str, *argv: str) -> tuple[int, str]:
    """Exit code and output of a real launch service that ends as soon as a process runs."""
    command = [sys.executable, "-c", _LAUNCH, str(FILES / file), f"run_dir:={tmp_path}", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    return done.returncode, done.stdout + done.stderr


@needs_launch
@pytest.mark.ros
def test_a_real_launch_service_applies_what_it_was_given(
    tmp_path: Path, ros_domain_id: int
) -> None:
    argv = ("sim:=true", "controller.sigma_cap:=0.3", "parts:=controller")
    code, output = _launch(tmp_path, "widowx.launch.py", *argv)
    assert code == 0, output
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert written["controller"]["sigma_cap"] == 0.3


@needs_launch
@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("widowx.launch.py", "simm:=true"),
        ("widowx.launch.py", "sim:=1"),
        ("widowx.launch.py", "controller.sigma_capp:=0.3"),
        ("franka.launch.py", "sim:=true"),
    ],
)
def test_a_real_launch_service_starts_nothing_that_it_does_not_understand(
    tmp_path: Path, file: str, word: str
) -> None:
    code, output = _launch(tmp_path, file, word)
    assert code == 1
    assert word.partition(":=")[0] in output
    assert list(tmp_path.iterdir()) == []


_KEEP = """
import sys
from functools import partial
from pathlib import Path

from launch.actions import ExecuteProcess

from launch import LaunchDescription, LaunchService
from tmrl_bringup import restarts
from tmrl_bringup.launching import Kept
from tmrl_bringup.restarts import RestartBudget
from tmrl_common.clock import SteadyClock

restarts.RESTART_PAUSE_S = 0.01
folder, code = Path(sys.argv[1]), sys.argv[2]
program = ["/bin/sh", "-c", f"echo port 5760 is taken; exit {code}"]
budget = RestartBudget("server", SteadyClock(), restartable=True)
kept = Kept(partial(ExecuteProcess, cmd=program, name="server"), folder / "server.log", budget, 2.0)
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription(kept.start()))
sys.exit(service.run())
"""


@needs_launch
@pytest.mark.parametrize(("code", "starts"), [(1, 1 + MAX_RESTARTS), (BAD_CONFIGURATION, 1)])
def test_launch_restarts_within_the_same_bound_as_up_and_ends_with_the_sentence(
    tmp_path: Path, code: int, starts: int
) -> None:
    command = [sys.executable, "-c", _KEEP, str(tmp_path), str(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (tmp_path / "server.log").read_text().count("port 5760 is taken") == starts
    assert f"server ended with {code}: port 5760 is taken" in done.stdout + done.stderr
