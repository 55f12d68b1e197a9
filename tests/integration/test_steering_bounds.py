"""One owner of steering bounds: a server that was started by hand takes them from the learner."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tmrl_common.clock import SteadyClock
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transport.client import PolicyClient
from tmrl_common.types import Observation, Outcome, Steering, SteeringLimits, SteeringSource
from tmrl_learner.run_config import RunConfig
from tmrl_learner.testing import make_episode
from tmrl_learner.worker import LearnerWorker, connect

ROOT = Path(__file__).resolve().parents[2]
CSP = ROOT / "policies/checkpoints/widowx_sim/csp"
BC = ROOT / "policies/checkpoints/widowx_sim/bc"
WIDE = SteeringLimits(sigma_cap=1.0, z_cap=100.0, epsilon_cap=100.0)
QUICK = ("schedule.warmup_chunks=3", "agent.utd=1", "agent.hidden=8", "agent.batch_size=4")
DRAWS = 40
DEADLINE_S = 60.0


@contextmanager
def served(checkpoint: Path) -> Iterator[str]:
    """The endpoint of a server started as docs/guides/policy_server.md says."""
    command = [sys.executable, "-m", "tmrl_policy_server", "--checkpoint", str(checkpoint)]
    command += ["--bind", "tcp://127.0.0.1:*"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        ready = (re.search(r"ready on (tcp://\S+?),?\s", line) for line in process.stderr)
        yield next(found[1] for found in ready if found)
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def learning(config: RunConfig) -> Iterator[LearnerWorker]:
    """A learner in its thread, as the node runs it."""
    stop = threading.Event()
    with connect(config) as client:
        worker = LearnerWorker(config, client, SteadyClock())
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        try:
            yield worker
        finally:
            stop.set()
            thread.join()


def configured(run_dir: Path, endpoint: str, **settings: object) -> RunConfig:
    common = {"robot": "arm", "session": "run", "run_dir": str(run_dir), "server": endpoint}
    return RunConfig(**common, wandb="disabled", overrides=QUICK, **settings)  # pyright: ignore


def observation(client: PolicyClient) -> Observation:
    spec = client.connect(deadline_s=DEADLINE_S).spec
    return Observation(
        np.zeros(spec.proprio_dim, np.float32), np.zeros(spec.context_dim, np.float32)
    )


def draws(
    client: PolicyClient, source: SteeringSource, limits: SteeringLimits = WIDE
) -> list[Steering]:
    seen = observation(client)
    return [
        client.act(seen, limits, source, deadline_s=DEADLINE_S, seed=seed).steering
        for seed in range(DRAWS)
    ]


def largest(steering: list[Steering], name: str) -> float:
    return max(float(np.abs(getattr(each, name)).max(initial=0.0)) for each in steering)


def feed(worker: LearnerWorker, client: PolicyClient, epsilon_dim: int) -> None:
    spec = client.connect(deadline_s=DEADLINE_S).spec
    for transition in make_episode(
        1,
        1,
        4,  # One beyond the warm-up: it calls for the first round.
        Outcome.SUCCESS,
        features=np.zeros(spec.features_dim, np.float32),
        next_features=np.zeros(spec.features_dim, np.float32),
        z=np.zeros(spec.z_dim, np.float32),
        epsilon=np.zeros(epsilon_dim, np.float32),
    ):
        worker.put(transition)


@pytest.mark.parametrize(
    ("preset", "method", "checkpoint", "bounds"),
    [
        ("widowx", "tmrl", CSP, {"z": 1.0, "sigma": 0.5, "epsilon": 1.0}),
        ("widowx_sim", "tmrl", CSP, {"z": 1.5, "sigma": 1.0, "epsilon": 0.0}),
        ("widowx_sim", "dsrl", BC, {"z": 1.5, "sigma": 0.0, "epsilon": 0.0}),
        ("widowx_sim", "fixed-sigma", CSP, {"z": 1.5, "sigma": 1.0, "epsilon": 0.0}),
    ],
)
def test_a_server_started_by_hand_steers_within_the_bounds_of_the_learner(
    tmp_path: Path, preset: str, method: str, checkpoint: Path, bounds: dict[str, float]
) -> None:
    with served(checkpoint) as endpoint, connect(configured(tmp_path, endpoint)) as client:
        config = configured(tmp_path, endpoint, preset=preset, method=method)
        with learning(config) as worker:
            wait_until(lambda: worker.status.phase == "warmup", "the learner's bounds")
            uniform = draws(client, SteeringSource.UNIFORM)
            feed(worker, client, 4 if bounds["epsilon"] else 0)
            wait_until(lambda: worker.status.phase == "training", "the first trained actor")
            chosen = draws(client, SteeringSource.ACTOR)
            assert worker.status.reason == ""
    for steering in (uniform, chosen):
        for name, bound in bounds.items():
            assert largest(steering, name) <= bound
    for name, bound in bounds.items():
        assert largest(uniform, name) >= 0.9 * bound


def test_the_caps_of_a_request_apply_on_top_of_the_learners_bounds(tmp_path: Path) -> None:
    with served(CSP) as endpoint, connect(configured(tmp_path, endpoint)) as client:
        caps = SteeringLimits(sigma_cap=0.1, z_cap=0.25, epsilon_cap=0.5)
        with learning(configured(tmp_path, endpoint, preset="widowx")) as worker:
            before = draws(client, SteeringSource.UNIFORM, caps)
            wait_until(lambda: worker.status.phase == "warmup", "the learner's bounds")
            after = draws(client, SteeringSource.UNIFORM, caps)
    for steering in (before, after):
        assert 0.09 <= largest(steering, "sigma") <= caps.sigma_cap
        assert 0.2 <= largest(steering, "z") <= caps.z_cap
        assert largest(steering, "epsilon") <= caps.epsilon_cap
