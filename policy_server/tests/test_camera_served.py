"""A policy that looks through cameras behind the real server process, through both doors."""

import numpy as np
import pytest
import torch
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.ports import free_port
from tmrl_common.transport import PolicyClient
from tmrl_common.types import Observation, SteeringLimits, SteeringSource
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_config import FlowPolicyConfig
from tmrl_policies.keypoint_checkpoint import load_encoder, save_encoder
from tmrl_policies.keypoint_encoder import KeypointConfig, KeypointEncoder
from tmrl_policies.testing import scrambled

PATIENCE_S = 90.0
WIDE = SteeringLimits(sigma_cap=1.0, z_cap=100.0, epsilon_cap=100.0)
STATE = np.linspace(-1.0, 1.0, 5, dtype=np.float32)
OVERVIEW, WRIST = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
IMAGES = {"overview": OVERVIEW, "wrist": WRIST}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cameras")
    torch.manual_seed(0)
    encoder = KeypointEncoder(KeypointConfig(("overview", "wrist"), 32, 2, 4))
    sha256 = save_encoder(folder, encoder, {})
    policy = scrambled(FlowPolicyConfig(context_dim=8, horizon=8, hidden=16, blocks=1))
    save_flow_policy(folder, policy, {}, sha256)
    return folder


@pytest.fixture(scope="module")
def doors(folder, server_process):
    endpoint, port = f"tcp://127.0.0.1:{free_port()}", free_port()
    bound = ("--bind", endpoint, "--websocket-bind", f"127.0.0.1:{port}")
    with server_process("--checkpoint", folder, *bound) as server:
        server.wait_until_ready()
        yield endpoint, port


@pytest.fixture
def robot(doors):
    with PolicyClient(doors[0], client="agent", robot="widowx") as client:
        yield client


def chunk(robot, images):
    observation = Observation(STATE, np.zeros(0, np.float32), images)
    return robot.act(observation, WIDE, SteeringSource.BASE, deadline_s=PATIENCE_S, seed=3)


def test_pictures_become_a_chunk_and_the_actors_features(robot, folder):
    reply = chunk(robot, IMAGES)
    assert reply.actions.shape == (8, 7)
    expected = load_encoder(folder).encoder.encode(IMAGES)
    np.testing.assert_allclose(reply.features, [*STATE, *expected], rtol=1e-5)
    swapped = chunk(robot, {"overview": WRIST, "wrist": OVERVIEW})
    assert not np.array_equal(swapped.actions, reply.actions)


def test_openpis_client_gets_the_same_chunk(doors, robot):
    request = {
        "observation/state": STATE,
        "observation/image": OVERVIEW,
        "observation/wrist_image": WRIST,
        "tmrl/seed": 3,
    }
    answer = WebsocketClientPolicy("127.0.0.1", doors[1]).infer(request)
    np.testing.assert_array_equal(answer["actions"], chunk(robot, IMAGES).actions)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ({"overview": OVERVIEW}, "takes exactly overview, wrist"),
        ({"overview": OVERVIEW, "wrist": WRIST[:20]}, r"'wrist' is uint8 of shape \(20, 32, 3\)"),
    ],
)
def test_pictures_that_do_not_fit_cost_a_sentence(robot, images, sentence):
    with pytest.raises(RequestError, match=sentence) as caught:
        chunk(robot, images)
    assert caught.value.code is ErrorCode.BAD_REQUEST
