"""The demo's command line: what an option means for the rig, and which are refused."""

from pathlib import Path

import pytest

from tmrl_demo.arms import resolve_rigs
from tmrl_demo.options import parse


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--sigma", "0.5"], "--sigma goes with --method fixed-sigma; tmrl has its own"),
        (["--arms", "0"], "--arms is 0; it must lie between 1 and 8"),
        (["--arms", "9"], "--arms is 9"),
        (["--method", "fixed-sigma", "--sigma", "1.5"], "--sigma is 1.5; it must lie in [0, 1]"),
    ],
)
def test_a_sigma_that_means_nothing_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(arguments)
    assert refused.value.code == 2
    assert sentence in capsys.readouterr().err


def test_options_may_stand_among_overrides() -> None:
    words = ["controller.z_cap:=2.0", "--episodes", "4", "controller.sigma_cap:=0.3"]
    options = parse(words)
    assert options.episodes == 4
    assert options.overrides == ["controller.z_cap:=2.0", "controller.sigma_cap:=0.3"]


def test_a_fixed_sigma_is_taken_over() -> None:
    assert parse(["--method", "fixed-sigma", "--sigma", "0"]).sigma == 0.0
    assert parse(["--method", "fixed-sigma"]).sigma is None


@pytest.mark.parametrize(
    ("arguments", "factor", "pacing", "lock_step"),
    [
        ([], 0.0, "lock_step", True),
        (["--real-time"], 1.0, "state", False),
        (["--label", "manual"], 1.0, "state", False),
        (["--label", "manual", "driver.real_time_factor:=2.0"], 2.0, "state", False),
    ],
)
def test_a_person_who_labels_or_drives_gets_an_arm_that_takes_its_time(
    arguments: list[str], factor: float, pacing: str, *, lock_step: bool, tmp_path: Path
) -> None:
    ((rig, _),) = resolve_rigs(parse(arguments), tmp_path)
    parts = rig.parts
    assert parts["driver"]["real_time_factor"] == factor
    assert parts["controller"]["pacing"] == pacing
    assert parts["agent"]["lock_step"] is lock_step


def test_another_rig_is_the_one_that_starts(tmp_path: Path) -> None:
    ((rig, _),) = resolve_rigs(parse(["--rig", "franka_sim"]), tmp_path)
    assert (rig.name, rig.robot, rig.parts["driver"]["task"]) == (
        "franka_sim",
        "franka",
        "press_button",
    )


def test_further_arms_have_names_scenes_and_journals_of_their_own(tmp_path: Path) -> None:
    options = parse(["--arms", "3", "--seed", "7", "controller.sigma_cap:=0.5"])
    rigs = resolve_rigs(options, tmp_path / "mine")

    assert [rig.robot for rig, _ in rigs] == ["widowx", "widowx_2", "widowx_3"]
    assert len({rig.parts["operator"]["seed"] for rig, _ in rigs}) == 3
    folders = [folder for _, folder in rigs]
    assert folders[0] == tmp_path / "mine"
    assert len(set(folders)) == 3
    assert {folder.name for folder in folders} == {"mine"}, "one session"
    learner = rigs[0][0].parts["learning"]
    assert (learner["intake"], list(learner["robots"])) == ("port", ["widowx_2", "widowx_3"])
    for rig, folder in rigs:
        assert rig.parts["uplink"]["server"] == rig.parts["agent"]["server"] == learner["server"]
        assert rig.parts["agent"]["run_dir"] == str(folder)
        assert rig.parts["controller"]["sigma_cap"] == 0.5


def test_through_cameras_the_agent_gets_pictures_and_no_positions(tmp_path: Path) -> None:
    words = ["--observe", "cameras", "--method", "dsrl", "driver.image_size_px:=96"]
    ((rig, _),) = resolve_rigs(parse(words), tmp_path)
    parts = rig.parts
    assert list(parts["agent"]["cameras"]) == ["overview", "wrist"]
    assert list(parts["agent"]["context_objects"]) == []
    assert parts["policy_server"]["checkpoint"].endswith("widowx_sim_cameras/bc")
    ((usual, _),) = resolve_rigs(parse([]), tmp_path)
    assert "cameras" not in usual.parts["agent"]
