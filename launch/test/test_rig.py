"""Rig files, overrides and session options: wrong names are refused with the valid ones."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tmrl_bringup import up
from tmrl_bringup.layout import repository_root
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe, select_parts, server_argv
from tmrl_bringup.rig import (
    Rig,
    RigError,
    available,
    load,
    parse_overrides,
    path_in_rig,
    ros_name,
)
from tmrl_bringup.rig_checks import judge
from tmrl_bringup.rundir import prepare_run_dir
from tmrl_common.config import build_config
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policy_server.cli import Settings, parse


@pytest.mark.parametrize("name", available())
def test_every_rig_is_complete_once_its_examples_are_values(tmp_path: Path, name: str) -> None:
    rig = SessionOptions(run_dir=tmp_path).apply(load(name).with_examples())
    parts = select_parts(rig)
    judge(rig, parts)
    for spec in describe(rig, tmp_path, parts):
        assert spec.argv
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["rig"] == name


@given(st.text(min_size=1))
def test_a_refused_name_comes_with_one_that_is_taken(text: str) -> None:
    try:
        ros_name("robot", text)
    except RigError as error:
        proposed = str(error).rpartition(" ")[2]
        assert ros_name("robot", proposed) == proposed


def test_variables_in_paths_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/lab")
    assert (
        path_in_rig("$HOME/robot.key") == path_in_rig("~/robot.key") == Path("/home/lab/robot.key")
    )


def test_the_learner_finds_its_demonstrations_wherever_its_process_runs(tmp_path: Path) -> None:
    options = SessionOptions(run_dir=tmp_path)
    for named, found in (
        ("demonstrations/kitchen", repository_root() / "demonstrations/kitchen"),
        ("~/kitchen", Path.home() / "kitchen"),
    ):
        rig = load("widowx_sim").with_overrides({"learning.offline_data": named})
        assert options.apply(rig).parts["learning"]["offline_data"] == str(found)
    assert "offline_data" not in options.apply(load("widowx_sim")).parts["learning"]


def test_demonstrations_that_nobody_would_learn_from_are_refused_before_anything_starts() -> None:
    kitchen = {"learning.offline_data": "kitchen"}
    with pytest.raises(RigError, match="method 'tmrl' learns nothing from demonstrations"):
        up.resolve("widowx_sim", kitchen)
    with pytest.raises(RigError, match="offline_share is 0 of minibatches of 128"):
        up.resolve("widowx_sim", kitchen | {"method": "dsrl_na"})


def test_unknown_rig_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(RigError, match=r"unknown rig widowx_simm; did you mean widowx_sim\?"):
        load("widowx_simm")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("controller.sigma_cap:=0.5", 0.5),
        ("driver.layout:=downstream", "downstream"),
        ("agent.lock_step:=false", False),
        ("controller.workspace_box:=[0, 1, 0, 1, 0, 1]", [0, 1, 0, 1, 0, 1]),
    ],
)
def test_overrides_are_read_as_in_ros(argument: str, value: object) -> None:
    (given,) = parse_overrides([argument]).values()
    assert given == value


@pytest.mark.parametrize("argument", ["controller.sigma_cap=0.5", ":=3", "nothing"])
def test_overrides_of_another_form_are_refused(argument: str) -> None:
    with pytest.raises(RigError, match="key:=value"):
        parse_overrides([argument])


def test_override_of_an_unknown_part_names_the_parts() -> None:
    with pytest.raises(RigError, match=r"did you mean controller\?"):
        load("widowx_sim").with_overrides({"controler.sigma_cap": 0.5})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "tmlr"}, r"unknown method tmlr; did you mean tmrl\?"),
        ({"label": "automatic"}, "unknown label mode automatic"),
        ({"max_episodes": -1}, "episodes is -1"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
    ],
)
def test_options_are_judged(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RigError, match=sentence):
        SessionOptions(run_dir=tmp_path, **changes)  # type: ignore[arg-type]


def test_sessions_that_start_together_get_directories_of_their_own() -> None:
    command = [sys.executable, "-c", "from tmrl_bringup import rundir; print(rundir.new_run_dir())"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    names = [process.communicate()[0] for process in started]
    assert all(names)
    assert names[0] != names[1]


def test_unwritable_run_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RigError, match="cannot write to"):
        prepare_run_dir(file / "run")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("seed:=x", "seed is 'x'; it must be a whole number from 0, as in seed:=3"),
        ("seed:=", "seed is ''; it must be a whole number"),
        ("seed:=1.5", "seed is '1.5'; it must be a whole number"),
        ("episodes:=many", "episodes is 'many'; it must be a whole number"),
        ("sim:=1", "sim is '1'; valid: true, false"),
        ("sim:=maybe", "sim is 'maybe'; valid: true, false"),
        ("sim:=ture", "sim is 'ture'; did you mean true?"),
        ("method:=tmlr", "method is 'tmlr'; did you mean tmrl?"),
        ("label:=automatic", "label is 'automatic'; did you mean auto?"),
        ("robot:=2nd", "robot is '2nd'; it must be letters, digits and underscores"),
        ("simm:=true", "unknown argument simm; did you mean sim?"),
        ("learning.overrides:=[device=cuda", "is '[device=cuda', which is no YAML"),
        (
            "learning.overrides:=device=cuda",
            "overrides is 'device=cuda'; it must be a list, such as [device=cuda]",
        ),
        ("learning.overrides:=", "learning.overrides: Changes to the preset"),
        ("learning.overrides:=[device]", "overrides has 'device', which is not dotted.key=value"),
        ("policy_server.prompt:=a: b: c", "policy_server.prompt:='\"a: b\"'"),
        ("parts:=", "unknown part ''; valid: all, robot, gpu"),
        ("parts:=3", "unknown part '3'; valid: all, robot, gpu"),
        ("parts:=agnt", "did you mean agent?"),
        ("parts:=agent,,operator", "separated by commas, such as parts:=agent,operator"),
        ("policy_server.endpoint:=tcp://192.168.1.20", "such as tcp://192.168.1.20:5760"),
        ("policy_server.endpoint:=tcp://gpu:abc", "endpoint is 'tcp://gpu:abc'; write it as"),
        ("policy_server.endpoint:=tcp://gpu:0", "with a port from 1 to 65535"),
        ("policy_server.endpoint:=tcp://gpu:65536", "with a port from 1 to 65535"),
    ],
)
def test_arguments_that_cannot_be_are_answered_with_a_sentence_and_an_example(
    capsys: pytest.CaptureFixture[str], argument: str, sentence: str
) -> None:
    assert up.main(["widowx_sim", argument]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tmrl up: ")
    assert sentence in said


def _server_settings(rig: Rig) -> Settings:
    """What the server's own command line makes of the arguments that it is started with."""
    return parse(server_argv(rig)[3:])


@pytest.mark.parametrize("name", ["franka", "widowx"])
def test_the_shipped_places_of_files_reach_the_server_as_paths(name: str) -> None:
    given = _server_settings(load(name).with_examples())
    checkpoints = Path.home() / "checkpoints"
    assert Path(given.server.checkpoint).parent == checkpoints
    assert given.pi0["dino"] == str(checkpoints / "dinov2-with-registers-base")
    assert given.pi0["dino_embedding"] == "patches", "as published"


def test_every_path_of_the_server_is_read_alike(tmp_path: Path) -> None:
    places = {"~/a": Path.home() / "a", "b/c": repository_root() / "b/c", str(tmp_path): tmp_path}
    keys = ("checkpoint", "dino", "tokeniser", "secret_key", "allowed_keys", "websocket_keys")
    shipped = load("widowx").with_examples()
    for written, place in places.items():
        changes = {f"policy_server.{key}": written for key in keys}
        changes["policy_server.websocket_bind"] = "127.0.0.1:8000"
        given = _server_settings(shipped.with_overrides(changes))
        values = {**vars(given.server), **given.pi0}
        assert {key: values[key] for key in keys} == dict.fromkeys(keys, str(place))


def test_no_dino_and_no_keys_stay_what_they_are() -> None:
    nothing = {"policy_server.dino": "none", "policy_server.secret_key": ""}
    given = _server_settings(load("widowx").with_examples().with_overrides(nothing))
    assert (given.pi0["dino"], given.server.secret_key) == ("none", "")


def test_the_server_warms_up_with_the_prompt_that_the_agent_will_send(tmp_path: Path) -> None:
    session = SessionOptions(run_dir=tmp_path)
    shipped = load("widowx").with_examples()
    rig = session.apply(shipped.with_overrides({"agent.prompt": "-- open: the drawer"}))
    assert _server_settings(rig).pi0["prompt"] == "-- open: the drawer"
    own = session.apply(shipped.with_overrides({"policy_server.prompt": "close the drawer"}))
    assert _server_settings(own).pi0["prompt"] == "close the drawer"


def test_cuda_graphs_can_be_switched_off_in_a_rig(tmp_path: Path) -> None:
    shipped = load("widowx").with_examples()
    rig = SessionOptions(run_dir=tmp_path).apply(
        shipped.with_overrides(parse_overrides(["policy_server.graphs:=false"]))
    )
    judge(rig, select_parts(rig))
    assert build_config(Pi0Settings, _server_settings(rig).pi0).graphs is False


def test_a_server_of_a_small_policy_is_told_no_prompt(tmp_path: Path) -> None:
    rig = load("widowx_sim").with_overrides({"agent.prompt": "put the sausage in the pot"})
    assert _server_settings(SessionOptions(run_dir=tmp_path).apply(rig)).pi0 == {}


def test_the_overlap_of_chunks_is_given_once_and_reaches_every_part_that_needs_it(tmp_path):
    rig = load("widowx_sim").with_overrides({"agent.overlap_steps": 2})
    session = SessionOptions(tmp_path / "run").apply(rig)
    for part in ("agent", "controller", "policy_server"):
        assert session.parts[part]["overlap_steps"] == 2
    plain = SessionOptions(tmp_path / "run").apply(load("widowx_sim"))
    assert "overlap_steps" not in plain.parts["policy_server"]


@pytest.mark.parametrize(
    ("changes", "prepared"),
    [
        ({}, 1),
        ({"learning.robots": ["left", "right"]}, 3),
        ({"policy_server.max_batch": 5, "learning.robots": ["left"]}, 5),
    ],
)
def test_the_server_prepares_for_as_many_requests_at_a_time_as_arms_ask(
    tmp_path, changes, prepared
):
    rig = load("widowx_sim").with_overrides(changes)
    session = SessionOptions(tmp_path / "run").apply(rig)
    assert session.parts["policy_server"]["max_batch"] == prepared
