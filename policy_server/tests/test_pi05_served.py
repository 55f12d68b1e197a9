"""A tiny CSP-pi0.5 of random weights behind the real server process, through both doors."""

from dataclasses import replace

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.transport import PolicyClient
from tmrl_common.types import Observation, Steering, SteeringLimits, SteeringSource
from tmrl_policies.pi0.config import TINY_PI05
from tmrl_policies.pi0.inputs.rigs import DROID, LIBERO
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import make_statistics, write_checkpoint
from tmrl_policies.pi0.policy import Pi0Policy
from tmrl_policy_server.openpi_dialect import observation_keys

DEADLINE_S = 90.0
WIDE = SteeringLimits(sigma_cap=1.0, z_cap=100.0, epsilon_cap=100.0)
NOTHING = np.zeros(0, np.float32)
RNG = np.random.default_rng(0)
COLUMNS = make_statistics(DROID).state
STATE, OTHER_STATE = (
    (COLUMNS.mean + COLUMNS.std * RNG.uniform(0.1, 2.0, 8)).astype(np.float32) for _ in range(2)
)
"""In bins of three digits, so that the prompts are of one length, which no sigma hides."""
EXTERIOR, WRIST = RNG.integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
IMAGES = {"exterior": EXTERIOR, "wrist": WRIST}
PROMPT = "press the red button"
LONG_PROMPT = "press the red button on the table " * 10
OPENPI = {
    "observation/joint_position": STATE[:7],
    "observation/gripper_position": STATE[7:],
    "observation/exterior_image_1_left": EXTERIOR,
    "observation/wrist_image_left": WRIST,
    "prompt": PROMPT,
}


@pytest.fixture(scope="module")
def served(both_wires, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pi05")
    write_checkpoint(folder, DROID, replace(TINY_PI05, flow_steps=3))
    with both_wires(folder, "--dino", "none") as doors:
        yield doors


@pytest.fixture
def robot(served):
    with PolicyClient(served[0], client="agent", robot="franka") as client:
        yield client


def chunk(robot, state=STATE, prompt=PROMPT, steering=SteeringSource.BASE, seed=3):
    observation = Observation(state, NOTHING, IMAGES, prompt)
    return robot.act(observation, WIDE, steering, deadline_s=DEADLINE_S, seed=seed)


def at(sigma):
    """The same latent at a context time, with context noise that the server draws."""
    z = np.random.default_rng(1).standard_normal(32).astype(np.float32)
    return Steering(SteeringSource.EXPLICIT, z, sigma, NOTHING)


def test_both_doors_give_the_same_chunk_in_the_rigs_units(served, robot):
    reply = chunk(robot)
    assert robot.welcome.spec.action_space == "droid_joint_velocity_8"
    assert reply.actions.shape == (TINY_PI05.horizon, 8)
    answer = WebsocketClientPolicy("127.0.0.1", served[1]).infer({**OPENPI, "tmrl/seed": 3})
    np.testing.assert_array_equal(answer["actions"], reply.actions)


def test_the_chunk_depends_on_the_state_until_sigma_hides_the_prompt(robot):
    """pi0.5 has no state token: what it knows of the arm is in its prefix."""

    def distance(sigma):
        states = (STATE, OTHER_STATE)
        here, there = (chunk(robot, state, steering=at(sigma)).actions for state in states)
        return np.abs(here - there).max()

    # At sigma = 1 the schedule leaves 0.6 % of the prefix.
    assert distance(1.0) < 0.1 * distance(0.0)


def test_the_noise_that_the_server_draws_follows_from_the_seed(robot):
    first, again, other = (chunk(robot, steering=at(0.5), seed=seed).actions for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_an_instruction_without_room_for_the_state_costs_a_sentence(served, robot):
    with pytest.raises(RequestError, match=r"with the robot state in it.*Shorten") as caught:
        chunk(robot, prompt=LONG_PROMPT)
    assert caught.value.code is ErrorCode.BAD_REQUEST
    client = WebsocketClientPolicy("127.0.0.1", served[1])
    with pytest.raises(RuntimeError, match="with the robot state in it"):
        client.infer({**OPENPI, "prompt": LONG_PROMPT})
    assert chunk(robot).seed == 3


def test_a_libero_policy_takes_the_keys_of_openpis_example(tmp_path):
    write_checkpoint(tmp_path, LIBERO, replace(TINY_PI05, layers=1))
    policy = Pi0Policy.load(tmp_path, Pi0Settings(dino="none", device="cpu"))
    keys = observation_keys(policy.spec)
    assert keys.state == ("observation/state",)
    assert keys.images == {
        "overview": "observation/image",
        "wrist": "observation/wrist_image",
    }
