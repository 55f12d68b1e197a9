"""Demonstrations in the replay buffer: who learns from them, and what is refused."""

import csv
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tmrl_common.clock import SteadyClock
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transitions import InvalidTransitionError
from tmrl_common.types import Outcome, PolicySpec
from tmrl_learner.config import (
    HindsightConfig,
    LearnerConfig,
    ReplayConfig,
    ScheduleConfig,
)
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.offline import add_offline, judge_offline, read_offline
from tmrl_learner.offline_data import (
    STEM,
    OfflineData,
    OfflineOrigin,
    OfflineSegments,
    load_offline,
    save_offline,
)
from tmrl_learner.run_config import RunConfig
from tmrl_learner.session import LearnerSession
from tmrl_learner.testing import FEATURES, make_episode, make_transition
from tmrl_learner.worker import LearnerWorker, connect
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

from .plane_world import AGENT, COLUMNS, GOAL, SIZES, STEPS, Turned

ORIGIN = OfflineOrigin(
    data_set="kitchen",
    data_sha256="0" * 64,
    policy_version="v1",
    action_space="plane",
    execute_steps=STEPS,
    control_rate_hz=5.0,
    prompt="",
)
DSRL_NA = LearnerConfig(
    method="dsrl_na",
    agent=AGENT,
    replay=ReplayConfig(capacity=100, success_share=0.0, offline_share=0.9),
    schedule=ScheduleConfig(warmup_chunks=20, burst_rounds=200),
)
HINDSIGHT = LearnerConfig(
    agent=AGENT,
    replay=ReplayConfig(capacity=100, success_share=0.0, offline_share=0.5),
    schedule=ScheduleConfig(warmup_chunks=3, burst_rounds=3),
    hindsight=HindsightConfig(candidates=500, tolerance=0.2),
)


def demonstrations(actions: np.ndarray, reward: np.ndarray | None = None) -> OfflineData:
    """One segment for each of the actions, shape (N, 2), which is held for two steps."""
    count = len(actions)
    rng = np.random.default_rng(0)
    segments = OfflineSegments(
        features=rng.normal(size=(count, FEATURES)).astype(np.float32),
        next_features=rng.normal(size=(count, FEATURES)).astype(np.float32),
        actions=np.stack([actions, actions], axis=1).astype(np.float32),
        steps=np.full(count, STEPS, np.int64),
        reward=(np.zeros(count) if reward is None else reward).astype(np.float32),
        terminated=np.ones(count, np.float32),
        episode=np.arange(count, dtype=np.int64),
    )
    return OfflineData(ORIGIN, segments)


def some_demonstrations(count: int, seed: int = 0) -> OfflineData:
    """What a person tried: the nearer to the goal, the better."""
    actions = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 2)).astype(np.float32)
    return demonstrations(actions, -np.square(actions - GOAL).sum(axis=1))


def make_session(config: LearnerConfig, data: OfflineData | None = None) -> LearnerSession:
    session = LearnerSession(config, SIZES, lambda: 0.0, Turned())
    if data is not None:
        assert add_offline(session, data, "kitchen", threading.Event())
    return session


def learn_something(session: LearnerSession, chunks: int = 20) -> None:
    """Online chunks that all did the same and say nothing of where the goal is."""
    for number in range(1, chunks + 1):
        session.ingest(
            make_transition(
                number,
                number,
                0,
                z=np.zeros(2, np.float32),
                executed_actions=np.zeros((STEPS, COLUMNS), np.float32),
                driver=np.zeros(STEPS, np.uint8),
                reward=-float(np.square(GOAL).sum()),
                terminated=True,
                episode_outcome=Outcome.SUCCESS,
            )
        )
    while session.updates_owed:
        session.update()


def distance_to_goal(session: LearnerSession) -> float:
    features = torch.randn(32, FEATURES, generator=torch.Generator().manual_seed(0))
    z = session.agent.bounds.z_bound * session.agent.actor.mode(features).z
    executed = 0.5 * Turned().actions(features, z)[:, :COLUMNS].detach().numpy()
    return float(np.linalg.norm(executed - GOAL, axis=1).mean())


@pytest.mark.parametrize("config", [DSRL_NA, replace(HINDSIGHT, schedule=DSRL_NA.schedule)])
def test_the_actor_learns_what_demonstrations_alone_show(config: LearnerConfig) -> None:
    session = make_session(config, some_demonstrations(300))
    learn_something(session)
    assert distance_to_goal(session) < 0.3
    alone = make_session(config)
    learn_something(alone)
    assert distance_to_goal(alone) > 0.4, "the online chunks do not show it"


def test_what_no_latent_leads_to_is_left_out() -> None:
    within, beyond = np.array([[0.3, -0.2]]), np.array([[5.0, 5.0]])
    session = make_session(HINDSIGHT, demonstrations(np.concatenate([within, beyond])))
    assert session.replay.offline == 1
    with pytest.raises(LearnerError, match=r"none of 500 latents .*hindsight.tolerance"):
        make_session(HINDSIGHT, demonstrations(beyond))


def test_the_search_for_latents_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    session = make_session(HINDSIGHT)
    assert not add_offline(session, some_demonstrations(5), "kitchen", stop)


def test_a_segment_that_is_out_of_range_is_refused_by_name() -> None:
    data = demonstrations(np.array([[0.3, np.inf]]))
    with pytest.raises(InvalidTransitionError, match="executed_actions holds inf"):
        make_session(DSRL_NA, data)


@pytest.mark.parametrize("config", [DSRL_NA, HINDSIGHT])
def test_a_resumed_run_continues_with_the_same_data_only(
    config: LearnerConfig, tmp_path: Path
) -> None:
    schedule = ScheduleConfig(warmup_chunks=20, burst_rounds=6)
    config = replace(config, schedule=schedule)
    whole = make_session(config, some_demonstrations(20))
    learn_something(whole, 19)
    whole.save(tmp_path)
    resumed = make_session(config, some_demonstrations(20))
    resumed.load(tmp_path)
    for session in (whole, resumed):
        learn_something(session)
    assert resumed.counters.rounds == 6
    theirs = resumed.agent.state()
    for name, tensor in whole.agent.state().items():
        assert torch.equal(tensor, theirs[name]), name
    for other in (some_demonstrations(20, seed=1), None):
        with pytest.raises(ResumeError, match=r"resume with the same data \(learning.offline_data"):
            make_session(config, other).load(tmp_path)


def test_data_are_read_back_whole_or_refused(tmp_path: Path) -> None:
    data = some_demonstrations(5)
    save_offline(tmp_path / STEM, data)
    back = load_offline(tmp_path / STEM)
    assert back.origin == data.origin
    for name, array in vars(data.segments).items():
        np.testing.assert_array_equal(getattr(back.segments, name), array)
    content = bytearray((tmp_path / f"{STEM}.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / f"{STEM}.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_offline(tmp_path / STEM)


def test_data_of_another_shape_than_they_say_are_refused(tmp_path: Path) -> None:
    data = some_demonstrations(5)
    save_offline(tmp_path / STEM, replace(data, origin=replace(ORIGIN, execute_steps=3)))
    with pytest.raises(LearnerError, match=r"actions has shape \(5, 2, 2\).*tmrl import"):
        load_offline(tmp_path / STEM)


def spec_of(data: OfflineData, **changes: Any) -> PolicySpec:
    values: dict[str, Any] = {
        "action_space": data.origin.action_space,
        "action_dim": data.segments.actions.shape[2],
        "horizon": 3,
        "proprio_dim": 2,
        "context_dim": 1,
        "cameras": (),
        "z_dim": 2,
        "epsilon_dim": 1,
        "features_dim": FEATURES,
        "policy_version": data.origin.policy_version,
        "statistics_hash": "",
    }
    return PolicySpec(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"policy_version": "v2"}, "policy_version = v1, and the policy server serves v2"),
        ({"features_dim": 9}, "features_dim = 3, and the policy server serves 9"),
        ({"action_dim": 7}, "action_dim = 2, and the policy server serves 7"),
        ({"action_space": "other"}, "action_space = plane"),
    ],
)
def test_data_of_another_policy_are_refused(changes: dict[str, Any], sentence: str) -> None:
    data = some_demonstrations(2)
    judge_offline(data, "kitchen", spec_of(data))
    with pytest.raises(LearnerError, match=f"kitchen .*{sentence}.*tmrl import"):
        judge_offline(data, "kitchen", spec_of(data, **changes))


def configured(tmp_path: Path, server: str = "tcp://127.0.0.1:1", **changes: Any) -> RunConfig:
    values = {
        "robot": "arm",
        "session": "run",
        "run_dir": str(tmp_path / "run"),
        "server": server,
        "method": "dsrl_na",
        "policy": str(tmp_path / "policy"),
        "execute_steps": STEPS,
        "offline_data": str(tmp_path / "kitchen"),
        "overrides": ("replay.offline_share=0.5", "agent.batch_size=8", "agent.hidden=8"),
        "wandb": "disabled",
    }
    return RunConfig(**(values | changes))


def test_a_folder_that_no_import_has_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LearnerError, match=r"holds no offline.json: give a folder that ./tmrl"):
        read_offline(configured(tmp_path))
    assert read_offline(configured(tmp_path, offline_data="")) is None


def test_segments_of_another_length_than_the_chunks_are_refused(tmp_path: Path) -> None:
    save_offline(tmp_path / "kitchen" / STEM, some_demonstrations(2))
    with pytest.raises(LearnerError, match="segments of 2 steps, and the chunks of this run are 5"):
        read_offline(configured(tmp_path, execute_steps=5))


def of_bridge(policy_version: str) -> OfflineData:
    data = some_demonstrations(12)
    origin = replace(ORIGIN, policy_version=policy_version, action_space="bridge_delta_ee_7")
    actions = np.zeros((12, STEPS, 7), np.float32)
    return OfflineData(origin, replace(data.segments, actions=actions))


def test_a_learner_starts_with_demonstrations_of_its_policy_and_with_no_others(
    tmp_path: Path,
) -> None:
    shape = FlowPolicyConfig(proprio_dim=2, context_dim=1, action_dim=4, horizon=3)
    version = save_flow_policy(tmp_path / "policy", FlowPolicy(shape), {})
    spec = spec_of(of_bridge(version), z_dim=4)
    save_offline(tmp_path / "kitchen" / STEM, of_bridge(version))
    save_offline(tmp_path / "other" / STEM, of_bridge("another"))
    stop = threading.Event()
    with FakePolicyServer(spec) as server:
        config = configured(tmp_path, server.endpoint)
        with connect(config) as client:
            worker = LearnerWorker(config, client, SteadyClock())
            thread = threading.Thread(target=worker.run, args=(stop,))
            thread.start()
            wait_until(lambda: worker.status.phase == "warmup", "the learner")
            for transition in make_episode(
                1,
                1,
                3,
                Outcome.SUCCESS,
                z=np.zeros(4, np.float32),
                executed_actions=np.zeros((STEPS, 7), np.float32),
                driver=np.zeros(STEPS, np.uint8),
            ):
                worker.put(transition)
            wait_until(lambda: worker.status.transitions_stored == 3, "three transitions")
            stop.set()
            thread.join()
        with (tmp_path / "run/metrics.csv").open(newline="") as file:
            assert {float(row["offline_segments"]) for row in csv.DictReader(file)} == {12.0}
        for changed, error in (
            ({"offline_data": str(tmp_path / "other")}, LearnerError),
            ({"offline_data": ""}, ResumeError),
        ):
            with connect(config) as client:
                worker = LearnerWorker(replace(config, **changed), client, SteadyClock())
                with pytest.raises(error, match=r"policy_version|offline data"):
                    worker.run(threading.Event())
