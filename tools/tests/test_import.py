"""Demonstrations of a LeRobot data set as offline data: what is asked of the policy server."""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.errors import TmrlError
from tmrl_common.ports import free_port
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.types import Observation
from tmrl_learner.config import LearnerConfig, ReplayConfig, Sizes
from tmrl_learner.flow_actions import load_flow_actions
from tmrl_learner.offline import add_offline
from tmrl_learner.offline_data import STEM, load_offline
from tmrl_learner.pi0.testing import PROMPTS, SmallDataset, write_small_dataset
from tmrl_learner.session import LearnerSession
from tmrl_policies.camera_served import load_served
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_run.errors import RunError
from tmrl_run.importing import cli
from tmrl_run.lerobot.cli import main as export
from tmrl_run.testing import (
    FIELDS,
    STEPS,
    brightness,
    object_m,
    position_m,
    write_small_run,
)

from .small_import import OBJECTS, RIG, SPEC, imported, rig, seen


def test_what_was_exported_is_imported_as_it_ended(
    exported: Path, server: FakePolicyServer, tmp_path: Path
) -> None:
    found = imported(exported, tmp_path / "out", server.endpoint, *RIG)

    assert found.episode.tolist() == [0] * 4 + [1] * 4 + [2] * 3
    assert found.steps.tolist() == [3] * 4 + [3, 3, 3, 2] + [3] * 3
    assert found.reward.tolist() == [-1.0, -1.0, -1.0, 0.0] + [-1.0] * 7
    assert found.terminated.tolist() == [0.0, 0.0, 0.0, 1.0] + [0.0] * 7
    assert found.actions[5, :, 0] == pytest.approx([2 + 0.01 * row for row in (3, 4, 5)])
    assert found.actions[7, :, 6] == pytest.approx([2.09, 2.10, 0.0])
    rows = [(1, 0), (1, 3), (1, 6), (1, 9), (1, 11), (2, 0), (2, 3), (2, 6), (2, 9), (2, 11)]
    rows += [(4, 0), (4, 3), (4, 6), (4, 9)]
    for observation, (episode, row) in zip(seen(server), rows, strict=True):
        assert observation.proprio == pytest.approx([position_m(episode, row), 0.0, 0.5])
        objects = [object_m(episode, row, place) for place in range(len(OBJECTS))]
        assert observation.context == pytest.approx(objects)
        assert observation.images == {}


def test_pictures_go_to_the_server_as_the_rig_names_them(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = replace(SPEC, cameras=("overview", "wrist"))
    with FakePolicyServer(spec) as server:
        arguments = rig(cameras="[wrist, overview]")
        imported(exported, tmp_path / "out", server.endpoint, *arguments)
        first, second = seen(server)[:2]
    assert "11 segments of 3 episodes" in capsys.readouterr().out
    for observation, row in ((first, 0), (second, 3)):
        assert sorted(observation.images) == ["overview", "wrist"]
        for pixels in observation.images.values():
            assert abs(pixels.astype(int) - brightness(1, row)).max() <= 6


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("video", [False, True])
def test_demonstrations_of_others_are_those_with_the_rigs_instruction(
    version: str, *, video: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as nobody says otherwise, they are successes only where the user says so."""
    data = write_small_dataset(tmp_path / "set", SmallDataset(version=version, video=video))
    spec = replace(SPEC, proprio_dim=7, context_dim=0, cameras=("image_0",))
    ours = ("--rig", "widowx", f"agent.prompt:={PROMPTS[0]}", "agent.execute_steps:=5")
    cameras = ("agent.cameras:=[image_0]", "agent.camera_topics:=[camera/color]")
    with FakePolicyServer(spec) as server:
        with pytest.raises(RunError, match=r"how episode 0 ended; give --all-successful"):
            imported(data, tmp_path / "out", server.endpoint, *ours, *cameras)
        arguments = (*ours, *cameras, "--all-successful")
        found = imported(data, tmp_path / "out", server.endpoint, *arguments)
        observations = seen(server)
    assert "(2 episodes gave none)" in capsys.readouterr().out
    assert found.steps.tolist() == [5, 5, 2] * 2
    assert found.reward.tolist() == [-1.0, -1.0, 0.0] * 2
    assert {observation.prompt for observation in observations} == {PROMPTS[0]}
    red = observations[0].images["image_0"][-1, -1]
    assert red[0] > 150 > red[2]


def refusal(exported: Path, server: FakePolicyServer, *arguments: str) -> str:
    """What an import says that encodes nothing and leaves no offline data."""
    out = exported.with_name("out")
    with pytest.raises(RunError) as caught:
        imported(exported, out, server.endpoint, *arguments)
    assert server.requests == []
    assert not (out / f"{STEM}.json").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"proprio_fields": "[tool_y, tool_x, gripper_opening]"},
            "observation.state holds tool_x, tool_y, gripper_opening, and agent.proprio_fields is",
        ),
        ({"context_objects": "[sausage.x, carrot.x]"}, "holds carrot.x, sausage.x, and agent.cont"),
        ({"cameras": "[left]"}, "has nothing in observation.images.left"),
        ({"prompt": "wave"}, "'put the carrot in the pot', and agent.prompt is 'wave'"),
        ({"execute_steps": "9"}, "execute_steps is 9, and the policy served makes chunks of 8"),
        ({"no_such": "1"}, "no_such: unknown"),
    ],
)
def test_a_rig_that_observes_something_else_is_refused(
    exported: Path, server: FakePolicyServer, changes: dict[str, str], sentence: str
) -> None:
    assert sentence in refusal(exported, server, *rig(**changes))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["controller.control_rate_hz:=15.0"], "has 5 rows per second, and controller.control_r"),
        (["--all-successful"], "(episode 0: success); leave --all-successful out"),
    ],
)
def test_another_rate_and_another_say_about_the_ends_are_refused(
    exported: Path, server: FakePolicyServer, arguments: list[str], sentence: str
) -> None:
    assert sentence in refusal(exported, server, *RIG, *arguments)


@pytest.mark.parametrize(
    ("spec", "changes", "sentence"),
    [
        (
            {"proprio_dim": 1},
            {"proprio_fields": "[joint.waist]"},
            "observation.state has 3 numbers, and agent.proprio_fields asks for 1",
        ),
        (
            {"context_dim": 3},
            {"context_objects": "[a.x, b.x, c.x]"},
            "observation.environment_state has 2 numbers, and agent.context_objects asks for 3",
        ),
        (
            {"action_space": "droid_joint_velocity_8"},
            {"action_space": "droid_joint_velocity_8"},
            "action has 7 numbers, and agent.action_space asks for 8",
        ),
    ],
)
def test_columns_of_another_size_are_refused(
    exported: Path, spec: dict[str, Any], changes: dict[str, str], sentence: str
) -> None:
    with FakePolicyServer(replace(SPEC, **spec)) as server:
        assert sentence in refusal(exported, server, *rig(**changes))


def test_a_server_with_another_policy_than_the_rigs_is_refused_by_name(
    exported: Path, tmp_path: Path
) -> None:
    with (
        FakePolicyServer(replace(SPEC, context_dim=9)) as server,
        pytest.raises(RunError, match=r"policy server at .*context_dim: expected 2, served 9"),
    ):
        imported(exported, tmp_path / "out", server.endpoint, *RIG)


def test_no_server_is_said_with_the_remedy(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_WELCOME_S", 0.2)
    absent = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(RunError, match=r"never reached.*up RIG parts:=policy_server"):
        imported(exported, tmp_path / "out", absent, *RIG)


def foreign(tmp_path: Path, server: FakePolicyServer, lines: str, *arguments: str) -> str:
    """What an import says of somebody's data set with another list of episodes."""
    root = write_small_dataset(tmp_path / "set", SmallDataset())
    (root / "meta/episodes.jsonl").write_text(lines)
    observes = ("--rig", "widowx_sim", "agent.context_objects:=[]", *arguments)
    with pytest.raises(TmrlError) as caught:
        imported(root, tmp_path / "out", server.endpoint, *observes)
    assert server.requests == []
    return str(caught.value)


def test_a_data_set_without_episodes_is_refused(tmp_path: Path, server: FakePolicyServer) -> None:
    assert "has no episodes" in foreign(tmp_path, server, "", "--all-successful")


def test_an_outcome_that_is_none_is_refused(tmp_path: Path, server: FakePolicyServer) -> None:
    line = json.dumps({"episode_index": 0, "length": 12, "outcome": "won"})
    assert "ended as 'won'; it must be one of success" in foreign(tmp_path, server, line)


def test_objects_that_the_data_set_does_not_know_are_refused(
    tmp_path: Path, server: FakePolicyServer
) -> None:
    export(["lerobot", str(write_small_run(tmp_path / "run")), str(tmp_path / "set")])
    said = refusal(tmp_path / "set", server, *RIG)
    assert "has no column observation.environment_state" in said
    assert "(carrot.x, sausage.x); add it, or export the run again" in said


@contextlib.contextmanager
def policy_server(checkpoint: Path) -> Iterator[str]:
    """The real one, in a process of its own."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "tmrl_policy_server", "--checkpoint", str(checkpoint)]
    process = subprocess.Popen([*command, "--bind", endpoint])
    try:
        yield endpoint
    finally:
        process.kill()
        process.wait()


def test_a_learner_draws_what_a_real_server_encoded(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_WELCOME_S", 120.0)
    torch.manual_seed(0)
    shape = {"proprio_dim": len(FIELDS), "context_dim": len(OBJECTS), "horizon": 8}
    policy = FlowPolicy(FlowPolicyConfig(**shape, hidden=16, blocks=1))
    data = PolicyBatch(torch.randn(64, 3), torch.randn(64, 2), torch.randn(64, 8, 4))
    policy.fit_normalisers(data)
    save_flow_policy(tmp_path / "policy", policy, {})
    with policy_server(tmp_path / "policy") as endpoint:
        found = imported(exported, tmp_path / "out", endpoint, *RIG)

    served = load_served(tmp_path / "policy", "xyz_gripper_to_bridge_delta_ee_7")
    proprio = np.array([position_m(2, 3), 0.0, 0.5], np.float32)
    context = np.array([object_m(2, 3, place) for place in (0, 1)], np.float32)
    features = served.features(served.observe(Observation(proprio, context))).numpy()
    np.testing.assert_array_equal(found.features[5], features)
    np.testing.assert_array_equal(found.next_features[4], features)

    base = load_flow_actions(tmp_path / "policy", served.spec, STEPS, "cpu")
    shares = ReplayConfig(success_share=0.0, offline_share=0.5)
    config = LearnerConfig(method="dsrl_na", replay=shares)
    session = LearnerSession(config, Sizes(5, 4, 0, base.width), lambda: 0.0, base)
    assert add_offline(session, load_offline(tmp_path / "out" / STEM), "out", threading.Event())
    assert session.replay.offline == len(found) == 11
