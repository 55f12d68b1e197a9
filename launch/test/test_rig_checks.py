"""A rig is judged before anything starts: all that is missing, unknown or impossible, at once."""

from pathlib import Path
from typing import Any

import pytest

from tmrl_bringup.link import ServerLink
from tmrl_bringup.rig import RigError, available, load
from tmrl_bringup.up import propose, resolve
from tmrl_common.errors import ConfigError

HARDWARE = ("franka", "widowx")
ONLY_THE_LAB_KNOWS = {
    "franka": [
        "arm.franky.address",
        "arm.franky.model",
        "cameras.exterior.serial",
        "cameras.wrist.serial",
        "controller.max_joint_velocity_rad_s",
        "controller.joint_low_rad",
    ],
    "widowx": ["arm.interbotix.vendor_name", "cameras.overview.serial"],
}
CAN_HURT = [
    "controller.workspace_box",
    "controller.sigma_cap",
    "controller.z_cap",
    "controller.max_translation_m",
    "controller.max_rotation_rad",
    "agent.prompt",
    "policy_server.endpoint",
    "policy_server.checkpoint",
    "policy_server.rig",
    "policy_server.kind",
    "policy_server.prefix_norm",
]


def filled(tmp_path: Path, name: str, changes: dict[str, Any] | None = None) -> str:
    """Path of a lab's own file: every example taken for the value, and some changes."""
    import yaml

    rig = load(name).with_examples().with_overrides(changes or {}).as_dict()
    del rig["rig"]
    path = tmp_path / f"my_{name}.yaml"
    path.write_text(yaml.safe_dump(rig))
    return str(path)


@pytest.mark.parametrize("name", HARDWARE)
def test_a_rig_as_shipped_is_refused_with_every_missing_key_its_meaning_and_an_example(
    name: str,
) -> None:
    with pytest.raises(RigError) as caught:
        resolve(name, {})
    text = str(caught.value)
    for key in [*ONLY_THE_LAB_KNOWS[name], *CAN_HURT]:
        line = next(line for line in text.splitlines() if line.startswith(f"  {key}:"))
        assert " Example: " in line
        assert len(line.partition(" Example: ")[0]) > len(key) + 10, line


@pytest.mark.parametrize("name", HARDWARE)
def test_a_key_that_the_lab_deleted_is_missing_with_the_shipped_example(
    tmp_path: Path, name: str
) -> None:
    path = Path(filled(tmp_path, name))
    lines = path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("  sigma_cap")]
    assert len(kept) == len(lines) - 1
    path.write_text("\n".join(kept))
    with pytest.raises(RigError, match=r"controller\.sigma_cap: .* Example: 0\.3"):
        resolve(str(path), {})


def test_nothing_is_made_for_a_session_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RigError):
        resolve("widowx", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("controller.sigma_capp", "sigma_cap"),
        ("cameras.overview.serrial", "serial"),
        ("arm.interbotix.vendor_nam", "vendor_name"),
        ("arm.drivr", "driver"),
        ("agent.promt", "prompt"),
        ("policy_server.checkpont", "checkpoint"),
        ("policy_server.endpont", "endpoint"),
    ],
)
def test_unknown_keys_are_answered_with_the_nearest(tmp_path: Path, key: str, nearest: str) -> None:
    with pytest.raises(RigError, match=rf"{key}: unknown; did you mean {nearest}\?"):
        resolve(filled(tmp_path, "widowx"), {key: "x"})


def test_all_unknown_keys_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(RigError) as caught:
        resolve(filled(tmp_path, "widowx"), {"agent.promt": "x", "controller.z_capp": 1})
    assert "agent.promt" in str(caught.value)
    assert "controller.z_capp" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"controller.sigma_cap": 1.5}, "sigma_cap is 1.5"),
        ({"arm.driver": "interbotics"}, "driver is 'interbotics'"),
        ({"cameras.overview.serial": 123}, "put it into quotes"),
        ({"policy_server.endpoint": "tcp://10.0.0.5:5760"}, "./tmrl keys"),
        ({"policy_server.endpoint": "10.0.0.5"}, "write it as tcp://HOST:PORT"),
    ],
)
def test_impossible_values_are_refused_before_anything_starts(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RigError) as caught:
        resolve(filled(tmp_path, "widowx"), changes)
    assert sentence in str(caught.value)


def test_parameters_of_another_driver_are_left_out(tmp_path: Path) -> None:
    session = resolve(filled(tmp_path, "widowx"), {"arm.driver": "loopback"})
    assert "interbotix" not in session.rig.parts["arm"]


def test_a_camera_and_a_driver_may_be_overridden(tmp_path: Path) -> None:
    changes = {"cameras.overview.serial": "7", "arm.interbotix.vendor_name": "left"}
    session = resolve(filled(tmp_path, "widowx"), changes)
    assert session.rig.parts["cameras.overview"]["serial"] == "7"
    assert session.rig.parts["arm"]["interbotix"]["vendor_name"] == "left"
    assert session.rig.as_dict()["cameras"]["overview"]["serial"] == "7"


def test_people_label_on_hardware_and_the_truth_does_in_simulation(tmp_path: Path) -> None:
    hardware = resolve(filled(tmp_path, "widowx"), {})
    assert hardware.rig.parts["operator"]["label_mode"] == "manual"
    assert resolve("widowx_sim", {}).rig.parts["operator"]["label_mode"] == "auto"


def test_a_latched_stop_is_remembered_beside_no_run(tmp_path: Path) -> None:
    first = resolve(filled(tmp_path, "widowx"), {"run_dir": str(tmp_path / "one")})
    second = resolve(filled(tmp_path, "widowx"), {"run_dir": str(tmp_path / "two")})
    files = [each.rig.parts["controller"]["estop_file"] for each in (first, second)]
    assert files[0] == files[1]
    assert Path(files[0]).is_absolute()
    own = resolve(filled(tmp_path, "widowx"), {"controller.estop_file": "/var/lib/stop"})
    assert own.rig.parts["controller"]["estop_file"] == "/var/lib/stop"


REMOTE = {
    "policy_server.endpoint": "tcp://10.0.0.5:5760",
    "policy_server.client_key": "~/robot.key",
    "policy_server.server_key": "/keys/server.key.pub",
}


def test_a_policy_server_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    session = resolve(filled(tmp_path, "widowx"), REMOTE)
    assert "policy_server" not in session.parts
    for part in ("agent", "learning"):
        values = session.rig.parts[part]
        assert values["server"] == "tcp://10.0.0.5:5760"
        assert values["client_key"] == str(Path("~/robot.key").expanduser())
        assert values["server_key"] == "/keys/server.key.pub"


def test_the_gpu_machine_needs_to_know_nothing_of_arm_and_cameras() -> None:
    session = propose("widowx", {**REMOTE, "parts": "gpu"})
    assert session.parts == ("policy_server", "learning")
    with pytest.raises(RigError) as caught:
        resolve("widowx", {**REMOTE, "parts": "gpu"})
    text = str(caught.value)
    assert "policy_server.checkpoint" in text
    assert "arm." not in text
    assert "controller." not in text


def test_the_robots_machine_needs_to_know_nothing_of_the_weights(tmp_path: Path) -> None:
    session = propose("widowx", {**REMOTE, "parts": "robot"})
    assert not {"policy_server", "learning"} & set(session.parts)
    with pytest.raises(RigError) as caught:
        resolve("widowx", {**REMOTE, "parts": "robot"})
    assert "policy_server.checkpoint" not in str(caught.value)


@pytest.mark.parametrize(
    ("chosen", "changes", "uplink", "intake"),
    [
        ("robot", {}, True, None),
        ("gpu", {}, False, "port"),
        ("all", {}, False, None),
        ("agent,operator", {}, False, None),
        ("robot", {"learning.intake": "ros"}, False, "ros"),
        ("gpu", {"learning.intake": "ros"}, False, "ros"),
    ],
)
def test_two_machines_are_connected_by_the_servers_port_unless_dds_is_asked_for(
    chosen: str, changes: dict[str, str], uplink: object, intake: str | None
) -> None:
    session = propose("widowx", {**REMOTE, **changes, "parts": chosen, "run_dir": "/runs/first"})
    assert ("uplink" in session.parts) is uplink
    assert session.rig.parts["learning"].get("intake") == intake
    if uplink:
        values = session.rig.parts["uplink"]
        assert (values["server"], values["session"]) == ("tcp://10.0.0.5:5760", "first")
        assert values["client_key"] == str(Path("~/robot.key").expanduser())


def test_an_uplink_in_the_rigs_file_does_not_run_beside_a_learner_of_this_machine(
    tmp_path: Path,
) -> None:
    session = resolve(filled(tmp_path, "widowx"), {"uplink.deadline_s": 3.0})
    assert "uplink" not in session.parts
    assert "learning" in session.parts


def test_unknown_parts_are_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"unknown part 'controler'; did you mean controller\?"):
        resolve(filled(tmp_path, "widowx"), {"parts": "agent,controler"})


def test_where_a_server_listens_follows_from_where_it_is_reached() -> None:
    assert ServerLink("tcp://127.0.0.1:5760").bind == "tcp://127.0.0.1:5760"
    assert ServerLink("tcp://10.0.0.5:5760", "a", "b").bind == "tcp://*:5760"
    with pytest.raises(ConfigError, match="go together"):
        ServerLink("tcp://127.0.0.1:5760", "a")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="cannot be read"):
        load(str(tmp_path / "absent.yaml"))
    broken = tmp_path / "broken.yaml"
    broken.write_text("robot: [\n")
    with pytest.raises(RigError, match="is no YAML"):
        load(str(broken))
    assert {*HARDWARE, "widowx_sim"} <= set(available())
