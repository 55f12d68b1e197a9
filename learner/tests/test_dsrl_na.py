"""DSRL-NA: what it learns from chunks that no latent led to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tmrl_common.chunks import Driver
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome, PolicySpec
from tmrl_learner.algorithms.dsrl_na.agent import DsrlNaAgent
from tmrl_learner.config import LearnerConfig, ReplayConfig, ScheduleConfig
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.flow_actions import load_flow_actions
from tmrl_learner.session import LearnerSession
from tmrl_learner.testing import FEATURES, make_transition
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

from .plane_world import AGENT, GOAL, SIZES, Turned

CONFIG = LearnerConfig(
    method="dsrl_na",
    agent=AGENT,
    replay=ReplayConfig(capacity=400),
    schedule=ScheduleConfig(warmup_chunks=300, burst_rounds=200),
)


def make_session(config: LearnerConfig = CONFIG) -> LearnerSession:
    return LearnerSession(config, SIZES, lambda: 0.0, Turned())


def teleoperated(count: int) -> list[Transition]:
    """Episodes of one chunk: a person tries actions, and the nearer to the goal the better."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.0, 1.0, (count, 2)).astype(np.float32)
    return [
        make_transition(
            i + 1,
            i + 1,
            0,
            features=rng.normal(size=FEATURES).astype(np.float32),
            executed_actions=np.stack([action, action]),
            driver=np.full(2, Driver.TELEOP, np.uint8),
            reward=-float(np.square(action - GOAL).sum()),
            terminated=True,
            episode_outcome=Outcome.SUCCESS,
        )
        for i, action in enumerate(actions)
    ]


def test_the_actor_finds_the_latent_of_actions_that_only_a_person_executed() -> None:
    session = make_session()
    for transition in teleoperated(300):
        session.ingest(transition)
    while session.updates_owed:
        session.update()
    features = torch.randn(32, FEATURES, generator=torch.Generator().manual_seed(0))
    z = session.agent.bounds.z_bound * session.agent.actor.mode(features).z
    executed = 0.5 * Turned().actions(features, z)[:, :2].detach().numpy()
    # Actions drawn uniformly are 1.1 away from the goal on average.
    assert np.linalg.norm(executed - GOAL, axis=1).mean() < 0.3
    plain = LearnerSession(replace(CONFIG, method="dsrl"), SIZES, lambda: 0.0)
    for transition in teleoperated(300):
        plain.ingest(transition)
    assert plain.updates_owed == 0


def batch(rows: int, **changes: Tensor) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    widths = {"features": FEATURES, "next_features": FEATURES, "z": 2, "reward": 1, "actions": 4}
    columns = {n: torch.randn(rows, w, generator=generator) for n, w in widths.items()}
    columns |= {"sigma": torch.zeros(rows, 1), "epsilon": torch.zeros(rows, 0)}
    return columns | {"terminated": torch.zeros(rows, 1)} | changes


def test_the_action_critic_does_not_bootstrap_where_the_task_was_done() -> None:
    agent = make_session().agent
    assert isinstance(agent, DsrlNaAgent)
    ended = batch(6, terminated=torch.tensor([[1.0], [0.0]]).repeat(3, 1))
    targets = agent.action_targets(ended)
    torch.testing.assert_close(targets[::2], ended["reward"][::2, 0])
    assert not torch.isclose(targets[1::2], ended["reward"][1::2, 0]).any()


def test_stored_latents_are_never_read() -> None:
    rows = (CONFIG.agent.utd + 1) * CONFIG.agent.batch_size
    agents = [make_session().agent for _ in range(2)]
    ours = agents[0].update(batch(rows))
    theirs = agents[1].update(batch(rows, z=torch.full((rows, 2), 7.0), sigma=torch.ones(rows, 1)))
    assert ours == theirs


@pytest.mark.parametrize("rounds_before", [0, 7])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tmp_path: Path, rounds_before: int
) -> None:
    config = replace(CONFIG, schedule=ScheduleConfig(warmup_chunks=20, burst_rounds=12))
    whole, resumed = make_session(config), make_session(config)
    for transition in teleoperated(20):
        whole.ingest(transition)
    for _ in range(rounds_before):
        whole.update()
    whole.save(tmp_path)
    resumed.load(tmp_path)
    assert [whole.update() for _ in range(5)] == [resumed.update() for _ in range(5)]
    theirs = resumed.agent.state()
    for name, tensor in whole.agent.state().items():
        assert torch.equal(tensor, theirs[name]), name


def test_without_the_base_policy_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(LearnerError, match="set policy and execute_steps"):
        LearnerSession(CONFIG, SIZES, lambda: 0.0)
    make_session().save(tmp_path)
    other = replace(CONFIG, dsrl_na=replace(CONFIG.dsrl_na, uniform_share=0.9))
    with pytest.raises(ResumeError, match="dsrl_na"):
        make_session(other).load(tmp_path)


def served(folder: Path) -> PolicySpec:
    """Saves a small flow policy of x, y, z and gripper, and says what a server announces of it."""
    shape = FlowPolicyConfig(proprio_dim=2, context_dim=1, action_dim=4, horizon=3)
    version = save_flow_policy(folder, FlowPolicy(shape), {})
    return PolicySpec(
        action_space="bridge_delta_ee_7",
        action_dim=7,
        horizon=3,
        proprio_dim=2,
        context_dim=1,
        cameras=(),
        z_dim=4,
        epsilon_dim=1,
        features_dim=3,
        policy_version=version,
        statistics_hash="",
    )


def test_the_policy_that_is_served_judges_actions_in_the_robots_columns(tmp_path: Path) -> None:
    base = load_flow_actions(tmp_path, served(tmp_path), 2, "cpu")
    assert base.width == 2 * 7
    judged = base.actions(torch.zeros(5, 3), torch.ones(5, 4)).unflatten(-1, (2, 7))
    assert judged.isfinite().all()
    assert (judged[..., 3:6] == 0.0).all(), "the policy turns nothing"
    assert (judged[..., [0, 1, 2, 6]] != 0.0).any()
    turned = torch.zeros(1, 14)
    turned[:, 3] = 0.05
    assert base.normalise(turned).unflatten(-1, (2, 7))[0, 0, 3] == pytest.approx(0.5)


def test_of_a_chunk_that_continues_another_one_its_own_steps_are_judged(tmp_path: Path) -> None:
    """The server's features say how many rows overlap, and what they are."""
    spec = replace(served(tmp_path), features_dim=3 + 1 * 4 + 1)
    base = load_flow_actions(tmp_path, spec, 2, "cpu")
    features = torch.zeros(2, 8)
    features[0, 3:] = torch.tensor([3.0, -2.0, 1.0, 0.5, 1.0])
    judged = base.actions(features, torch.ones(2, 4))
    assert judged.shape == (2, base.width) == (2, 2 * 7)
    alone = load_flow_actions(tmp_path, replace(spec, features_dim=3), 2, "cpu")
    plain = alone.actions(torch.zeros(1, 3), torch.ones(1, 4))
    torch.testing.assert_close(judged[1:], plain)
    long = replace(spec, features_dim=3 + 2 * 4 + 1)
    with pytest.raises(LearnerError, match=r"2 steps \(execute_steps\) after 2 in common"):
        load_flow_actions(tmp_path, long, 2, "cpu")


def test_a_copy_of_another_policy_is_refused(tmp_path: Path) -> None:
    spec = replace(served(tmp_path), policy_version="another")
    with pytest.raises(LearnerError, match="give the learner the folder that is served"):
        load_flow_actions(tmp_path, spec, 2, "cpu")


def test_a_pi0_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(LearnerError, match=r"holds no flow policy.*method tmrl or dsrl"):
        load_flow_actions(tmp_path, served(tmp_path / "flow"), 2, "cpu")


def test_more_steps_than_a_chunk_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LearnerError, match="correct the learner's execute_steps"):
        load_flow_actions(tmp_path, served(tmp_path), 4, "cpu")
