"""A tiny CSP-pi0 of random weights behind the real server process, through both doors."""

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from tmrl_common.candidates import CandidateRequest
from tmrl_common.errors import ErrorCode, HandshakeRefusedError, RequestError
from tmrl_common.messages import PolicyExpectation
from tmrl_common.transport import PolicyClient
from tmrl_common.types import Observation, Steering, SteeringLimits, SteeringSource
from tmrl_policies.pi0.inputs.rigs import DROID
from tmrl_policies.pi0.inputs.testing import write_checkpoint, write_dinov2

PATIENCE_S = 90.0
WIDE = SteeringLimits(sigma_cap=1.0, z_cap=100.0, epsilon_cap=100.0)
NOTHING = np.zeros(0, np.float32)
RNG = np.random.default_rng(0)
JOINTS = RNG.standard_normal(7).astype(np.float32)
GRIPPER = np.array([0.25], dtype=np.float32)
EXTERIOR, WRIST = RNG.integers(0, 256, (2, 180, 320, 3), dtype=np.uint8)
PROMPT = "press the red button on the table"
OBSERVATION = Observation(
    np.concatenate((JOINTS, GRIPPER)), NOTHING, {"exterior": EXTERIOR, "wrist": WRIST}, PROMPT
)
OPENPI = {
    "observation/joint_position": JOINTS,
    "observation/gripper_position": GRIPPER,
    "observation/exterior_image_1_left": EXTERIOR,
    "observation/wrist_image_left": WRIST,
    "prompt": PROMPT,
}


@pytest.fixture(scope="module")
def served(both_wires, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pi0")
    write_checkpoint(folder / "droid", DROID)
    write_dinov2(folder / "dino")
    with both_wires(folder / "droid", "--dino", folder / "dino", "--max-batch", 2) as doors:
        yield doors


@pytest.fixture
def robot(served):
    with PolicyClient(served[0], client="agent", robot="franka") as client:
        yield client


def chunk(robot, observation=OBSERVATION, steering=SteeringSource.BASE, seed=3):
    return robot.act(observation, WIDE, steering, deadline_s=PATIENCE_S, seed=seed)


def test_a_chunk_of_pi0_comes_in_the_rigs_units(robot):
    reply = chunk(robot)
    spec = robot.welcome.spec
    assert (spec.action_space, spec.cameras) == ("droid_joint_velocity_8", ("exterior", "wrist"))
    assert reply.actions.shape == (spec.horizon, 8)
    assert reply.features.shape == (8 + 2 * 32,)
    np.testing.assert_array_equal(chunk(robot).actions, reply.actions)


def test_the_chunk_depends_on_the_prompt_until_sigma_hides_it(robot):
    z = np.random.default_rng(1).standard_normal(32).astype(np.float32)
    size = robot.connect(deadline_s=PATIENCE_S).spec.epsilon_dim
    epsilon = np.random.default_rng(2).standard_normal(size)

    def actions(prompt, sigma):
        steering = Steering(SteeringSource.EXPLICIT, z, sigma, epsilon.astype(np.float32))
        observation = Observation(OBSERVATION.proprio, NOTHING, OBSERVATION.images, prompt)
        return chunk(robot, observation, steering).actions

    other = "move the shrimp into the drawer and close the drawer"
    exact = np.abs(actions(PROMPT, 0.0) - actions(other, 0.0)).max()
    hidden = np.abs(actions(PROMPT, 1.0) - actions(other, 1.0)).max()
    assert hidden < exact


def test_openpis_client_gets_the_same_chunk(served, robot):
    answer = WebsocketClientPolicy("127.0.0.1", served[1]).infer({**OPENPI, "tmrl/seed": 3})
    np.testing.assert_array_equal(answer["actions"], chunk(robot).actions)


def test_candidates_are_what_each_latent_gives_alone(robot):
    exact = SteeringLimits(sigma_cap=0.0, z_cap=1.5, epsilon_cap=1.0)
    wish = CandidateRequest(count=5, steps=3, limits=exact, seed=3)
    reply = robot.act(
        OBSERVATION,
        WIDE,
        SteeringSource.BASE,
        deadline_s=PATIENCE_S,
        seed=3,
        candidates=wish,
    )
    np.testing.assert_array_equal(reply.actions, chunk(robot).actions)
    made = reply.candidates
    assert made.actions.shape == (5, 3, 8)
    for z, sigma, actions in zip(made.z, made.sigma, made.actions, strict=True):
        alone = Steering(SteeringSource.EXPLICIT, z, float(sigma), NOTHING)
        np.testing.assert_allclose(actions, chunk(robot, steering=alone).actions[:3], atol=1e-4)
    seen = robot.look(OBSERVATION, wish, deadline_s=PATIENCE_S)
    np.testing.assert_array_equal(seen.candidates.actions, made.actions)
    assert robot.welcome.units.std.shape == (8,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": {"exterior": EXTERIOR}}, "wrist"),
        ({"images": {"exterior": EXTERIOR, "wrist": WRIST[..., :1]}}, "wrist"),
        ({"proprio": np.full(8, np.nan, np.float32)}, "joint_1"),
        ({"proprio": JOINTS}, r"\(7,\)"),
        ({"context": np.zeros(3, np.float32)}, "context"),
    ],
)
def test_an_observation_that_does_not_fit_costs_a_sentence(robot, change, reason):
    fields = {"proprio": OBSERVATION.proprio, "images": OBSERVATION.images, "context": NOTHING}
    with pytest.raises(RequestError, match=reason) as caught:
        chunk(robot, Observation(**{**fields, **change}, prompt=PROMPT))
    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert chunk(robot).seed == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"observation/wrist_image_left": None}, "'observation/wrist_image_left' is NoneType"),
        ({"observation/wrist_image_left": WRIST / 255.0}, "send uint8 RGB"),
        ({"observation/joint_position": JOINTS[:6]}, r"\(7,\)"),
        ({"prompt": 3}, "must be text"),
    ],
)
def test_openpis_client_is_told_what_does_not_fit(served, change, reason):
    client = WebsocketClientPolicy("127.0.0.1", served[1])
    with pytest.raises(RuntimeError, match=reason):
        client.infer({**OPENPI, **change})
    assert client.infer(OPENPI)["actions"].shape[1] == 8


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"horizon": 50}, "horizon: expected 50, served 8"),
        ({"action_dim": 7}, "action_dim: expected 7, served 8"),
        ({"statistics_hash": "of another rig"}, "statistics_hash: expected of another rig"),
    ],
)
def test_a_robot_that_expects_something_else_is_refused(served, expected, reason):
    wanted = PolicyExpectation(**expected)
    with (
        PolicyClient(served[0], client="agent", robot="franka", expected=wanted) as robot,
        pytest.raises(HandshakeRefusedError, match=reason),
    ):
        robot.connect(deadline_s=PATIENCE_S)
