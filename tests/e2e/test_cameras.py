"""A session whose policy looks through the simulated cell's cameras: real nodes, real pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tmrl_cell.cell import WidowXCell
from tmrl_cell.layouts import downstream_layout
from tmrl_common.transitions import check
from tmrl_operator.requests import layout_seed
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig
from tmrl_policies.keypoint_checkpoint import save_encoder
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder

from .conftest import Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

CAMERAS = ("overview", "wrist")
SIZE_PX = 96
SHORT = (
    "learning.wandb:=disabled",
    "operator.time_limit_s:=4.0",
    "learning.overrides:=[schedule.warmup_chunks=5, schedule.warmup_successes=0, "
    "schedule.burst_rounds=5, agent.utd=1]",
)


def test_the_actor_sees_the_pictures_of_the_instant_of_its_robot_state(
    demo: Demo, tmp_path: Path
) -> None:
    """In lock-step: features are those of the scene that was laid out, seen at its first state."""
    torch.manual_seed(0)
    encoder = KeypointEncoder(KeypointConfig(CAMERAS, SIZE_PX)).eval()
    folder = tmp_path / "csp"
    policy = FlowPolicy(FlowPolicyConfig(context_dim=encoder.config.token_dim, hidden=16, blocks=1))
    # Untrained, it does what the noise says: steps of up to 2 cm, with the gripper open.
    policy.action_normaliser.mean.copy_(torch.tensor((0.0, 0.0, 0.0, 0.9)))
    policy.action_normaliser.std.copy_(torch.tensor((0.01, 0.01, 0.01, 0.01)))
    save_flow_policy(folder, policy, {}, save_encoder(folder, encoder, {}))

    checkpoint = f"policy_server.checkpoint:={folder}"
    demo.start("--observe", "cameras", "--episodes", "3", checkpoint, *SHORT)
    assert demo.finish() == 0, demo.output

    stored = transitions(demo.run_dir)
    for each in stored:
        check(each)
    report = demo.report()
    assert report["outcomes"] == ["timeout"] * 3
    assert report["transitions_published"] == report["transitions_stored"] == len(stored)
    assert {each.episode for each in stored} == {1, 2, 3}
    assert all(len(each.features) == 5 + encoder.config.token_dim for each in stored)
    cell = WidowXCell()
    for first in (each for each in stored if each.chunk == 0):
        arm = cell.reset(downstream_layout(np.random.default_rng(layout_seed(0, first.episode))))
        pictures = {camera: cell.render(camera, SIZE_PX, SIZE_PX) for camera in CAMERAS}
        np.testing.assert_allclose(first.features[:3], arm.tool_position_m, atol=1e-5)
        np.testing.assert_allclose(first.features[5:], encoder.encode(pictures), atol=1e-5)
        after = first.next_features[5:]
        assert np.abs(after - first.features[5:]).max() > 1e-3, "the arm has moved in them"
    cell.close()
