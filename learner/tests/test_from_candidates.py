"""DSRL-NA and hindsight without a copy of the policy: from the candidates of its server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tmrl_common.candidates import ActionUnits
from tmrl_common.chunks import Driver, Origin
from tmrl_common.messages import Welcome
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import FloatArray, Outcome, SteeringSource
from tmrl_learner.algorithms.dsrl_na.from_candidates import CandidateDsrlNaAgent
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import HindsightConfig, LearnerConfig, ReplayConfig, ScheduleConfig
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.flow_actions import FlowActions
from tmrl_learner.frozen_source import make_session as session_of
from tmrl_learner.run_config import RunConfig
from tmrl_learner.served_candidates import ServedCandidates
from tmrl_learner.session import LearnerSession
from tmrl_learner.testing import FEATURES, make_transition
from tmrl_policies.flow_policy import FlowPolicyConfig
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policies.testing import scrambled

from .plane_world import AGENT, COLUMNS, GOAL, SIZES, STEPS

K = 8
UNITS = ActionUnits(np.zeros(COLUMNS, np.float32), np.full(COLUMNS, 0.5, np.float32))
CONFIG = LearnerConfig(
    method="dsrl_na",
    agent=AGENT,
    replay=ReplayConfig(capacity=400),
    schedule=ScheduleConfig(warmup_chunks=300, burst_rounds=200),
)
SEARCHING = LearnerConfig(
    agent=TmrlConfig(hidden=8, critics=2, batch_size=8, utd=2, z_bound=1.0, sigma_max=0.5),
    replay=ReplayConfig(capacity=100),
    schedule=ScheduleConfig(warmup_chunks=4),
    hindsight=HindsightConfig(candidates=K, tolerance=0.2),
)


def make_session(config: LearnerConfig = CONFIG, count: int = K) -> LearnerSession:
    served = ServedCandidates(UNITS, count, STEPS, "cpu")
    return LearnerSession(config, SIZES, lambda: 0.0, served)


def turned(z: FloatArray) -> FloatArray:
    """Raw actions (K, STEPS, COLUMNS) of the policy of the plane, which turns z by a quarter."""
    step = np.stack([z[:, 1], -z[:, 0]], axis=-1)
    return np.stack([step] * STEPS, axis=1).astype(np.float32)


def handed_out(rng: np.random.Generator, count: int = K) -> dict[str, FloatArray]:
    z = rng.uniform(-1.0, 1.0, (count, 2)).astype(np.float32)
    return {
        "candidate_z": z.ravel(),
        "candidate_sigma": np.zeros(count, np.float32),
        "candidate_actions": turned(z).ravel(),
    }


def by_hand(sequence: int, action: FloatArray, **changes: Any) -> Transition:
    values: dict[str, Any] = {
        "executed_actions": np.stack([action] * STEPS).astype(np.float32),
        "driver": np.full(STEPS, Driver.TELEOP, np.uint8),
        "origin": Origin.HUMAN,
        "steering": SteeringSource.NONE,
        "z": np.zeros(0, np.float32),
        "sigma": 0.0,
        "reward": -float(np.square(action - GOAL).sum()),
        "terminated": True,
        "episode_outcome": Outcome.SUCCESS,
    }
    return make_transition(sequence, sequence, 0, **(values | changes))


def driven(count: int, **changes: Any) -> list[Transition]:
    """Episodes of one chunk: a person tries actions, and the nearer to the goal the better."""
    rng = np.random.default_rng(0)
    made = list[Transition]()
    for number in range(1, count + 1):
        features = rng.normal(size=FEATURES).astype(np.float32)
        action = rng.uniform(-1.0, 1.0, 2).astype(np.float32)
        fields = {"features": features, **handed_out(rng), **changes}
        made.append(by_hand(number, action, **fields))
    return made


def test_the_actor_finds_the_latent_of_actions_that_only_a_person_executed() -> None:
    session = make_session()
    for transition in driven(300):
        session.ingest(transition)
    while session.updates_owed:
        session.update()
    features = torch.randn(32, FEATURES, generator=torch.Generator().manual_seed(0))
    z = session.agent.bounds.z_bound * session.agent.actor.mode(features).z
    executed = turned(z.detach().numpy())[:, 0]
    # Actions drawn uniformly are 1.1 away from the goal on average.
    assert np.linalg.norm(executed - GOAL, axis=1).mean() < 0.5


def test_what_is_distilled_are_pairs_that_came_together() -> None:
    session = make_session(replace(CONFIG, schedule=ScheduleConfig(warmup_chunks=20)))
    for transition in driven(20):
        session.ingest(transition)
    batch = session.replay.sample(np.random.default_rng(0), 5, CONFIG.agent.batch_size)
    assert isinstance(session.agent, CandidateDsrlNaAgent)
    picked = session.agent.latents(batch)
    wanted = torch.from_numpy(turned(picked["z"].numpy())).flatten(1) / 0.5
    torch.testing.assert_close(picked["actions_of_z"], wanted)
    assert len(picked["z"].unique(dim=0)) > 20, "not always the same one of a row"


def test_the_action_critic_does_not_bootstrap_where_the_task_was_done() -> None:
    agent = make_session().agent
    assert isinstance(agent, CandidateDsrlNaAgent)
    rows = 6
    generator = torch.Generator().manual_seed(0)
    ended = {
        "next_features": torch.randn(rows, FEATURES, generator=generator),
        "reward": torch.randn(rows, 1, generator=generator),
        "terminated": torch.tensor([[1.0], [0.0]]).repeat(3, 1),
    }
    targets = agent.action_targets(ended)
    torch.testing.assert_close(targets[::2], ended["reward"][::2, 0])
    assert not torch.isclose(targets[1::2], ended["reward"][1::2, 0]).any()


def test_a_resumed_run_is_bit_equal_and_one_with_another_number_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, schedule=ScheduleConfig(warmup_chunks=20, burst_rounds=12))
    whole, resumed = make_session(config), make_session(config)
    for transition in driven(20):
        whole.ingest(transition)
    for _ in range(5):
        whole.update()
    whole.save(tmp_path)
    resumed.load(tmp_path)
    assert [whole.update() for _ in range(3)] == [resumed.update() for _ in range(3)]
    with pytest.raises(ResumeError, match="candidates = 8, this run has 4"):
        make_session(config, count=4).load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (handed_out(np.random.default_rng(0), 3), r"has 3 candidates.*configured for 8.*same numb"),
        ({"candidate_sigma": np.zeros(0, np.float32)}, r"has 0 candidates"),
        ({"candidate_sigma": np.full(K, 0.5, np.float32)}, r"sigma of 0.5.*wait_for_learner"),
        ({"candidate_actions": np.zeros(K * 3 * COLUMNS, np.float32)}, r"same execute_steps"),
    ],
)
def test_rows_that_would_teach_nothing_are_refused_by_name(
    changes: dict[str, Any], sentence: str
) -> None:
    session = make_session()
    (row,) = driven(1, **changes)
    with pytest.raises(InvalidTransitionError, match=sentence):
        session.ingest(row)


def test_a_row_that_is_not_learned_from_needs_none() -> None:
    session = make_session()
    nothing = {name: np.zeros(0, np.float32) for name in handed_out(np.random.default_rng(0))}
    aborted = {"terminated": False, "aborted": True, "episode_outcome": Outcome.ABORTED}
    (row,) = driven(1, **nothing, **aborted)
    assert session.ingest(row)
    assert session.replay.learnable == 0


def explained(row: Transition, config: LearnerConfig = SEARCHING) -> dict[str, Any] | None:
    """The latent with which a row is stored; None where it stays out."""
    session = make_session(config)
    session.ingest(row)
    if not session.replay.learnable:
        return None
    columns, _ = session.replay.state()
    return {name: columns[name][0] for name in ("z", "sigma")}


def test_a_persons_segment_gets_the_nearest_candidate() -> None:
    z = np.array([[0.9, 0.9], [0.6, 0.2], [-0.5, 0.1]], np.float32)
    candidates = {
        "candidate_z": z.ravel(),
        "candidate_sigma": np.array([0.1, 0.3, 0.5], np.float32),
        "candidate_actions": turned(z).ravel(),
    }
    found = explained(by_hand(1, np.array([0.25, -0.6], np.float32), **candidates))
    assert found is not None
    np.testing.assert_allclose(found["z"], [0.6, 0.2])
    np.testing.assert_allclose(found["sigma"], [0.3])
    assert explained(by_hand(1, np.array([0.8, 0.8], np.float32), **candidates)) is None, "far"
    # A segment that ended early says nothing about the steps that it has not.
    early = candidates | {"candidate_actions": turned(z).copy().ravel()}
    early["candidate_actions"].reshape(3, STEPS, COLUMNS)[:, 1] = 9.0
    short = by_hand(1, np.array([0.25, -0.6], np.float32), **early)
    short = replace(short, executed_actions=short.executed_actions[:1], driver=short.driver[:1])
    assert explained(short) is not None


@pytest.mark.parametrize("outside", [{"z": 1.2}, {"sigma": 0.6}])
def test_what_the_actor_cannot_choose_explains_nothing(outside: dict[str, float]) -> None:
    z = np.array([[outside.get("z", 0.6), 0.2]], np.float32)
    row = by_hand(
        1,
        turned(z)[0, 0],
        candidate_z=z.ravel(),
        candidate_sigma=np.array([outside.get("sigma", 0.3)], np.float32),
        candidate_actions=turned(z).ravel(),
    )
    assert explained(row) is None


def test_a_context_noise_that_is_learned_is_refused_in_hindsight() -> None:
    heads = replace(SEARCHING, agent=replace(SEARCHING.agent, epsilon_head=True))
    with pytest.raises(LearnerError, match=r"epsilon_head=false, or hindsight.candidates=0"):
        make_session(heads)


def test_actions_are_measured_as_with_a_copy() -> None:
    flow = scrambled(FlowPolicyConfig(proprio_dim=2, context_dim=1, action_dim=4, horizon=3))
    flow.action_normaliser.mean.copy_(torch.tensor([0.1, 0.2, 0.3, 0.5]))
    flow.action_normaliser.std.copy_(torch.tensor([0.01, 0.02, 0.03, 0.4]))
    units = ServedFlowPolicy(flow, "v", "xyz_gripper_to_bridge_delta_ee_7").units
    copied = FlowActions(flow, 2, "cpu", (0, 1, 2, 6), 7)
    served = ServedCandidates(units, K, 2, "cpu")
    executed = torch.randn(5, 14, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(served.normalise(executed), copied.normalise(executed))


def run_config(**changes: Any) -> RunConfig:
    needed = {"robot": "arm", "session": "s", "run_dir": "/r", "server": "tcp://127.0.0.1:1"}
    return RunConfig(**(needed | {"method": "dsrl_na", "candidates": K} | changes))


def test_a_run_learns_from_candidates_where_they_are_handed_out() -> None:
    config = run_config(policy="a/pi0", execute_steps=3)
    welcome = Welcome("server", "epoch", EXAMPLE_SPEC, 0, UNITS)
    session = session_of(config, config.learner, welcome, lambda: 0.0)
    assert isinstance(session.agent, CandidateDsrlNaAgent)
    assert session.sizes.actions == 3 * COLUMNS
    with pytest.raises(LearnerError, match="older than this learner"):
        session_of(config, config.learner, replace(welcome, units=None), lambda: 0.0)
    with pytest.raises(LearnerError, match=r"execute_steps is 9.* has 4 steps"):
        long = run_config(execute_steps=9)
        session_of(long, long.learner, welcome, lambda: 0.0)


def test_demonstrations_have_no_candidates_and_are_refused() -> None:
    with pytest.raises(ValueError, match=r"candidates of the policy server.*leave offline_data"):
        run_config(offline_data="kitchen", overrides=("replay.offline_share=0.25",))
