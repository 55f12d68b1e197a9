"""What the learner's thread leaves in the run directory."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.types import Outcome
from tmrl_learner.config import Sizes
from tmrl_learner.session import LearnerSession
from tmrl_learner.testing import FEATURES, Z, make_episode
from tmrl_learning.params import LearningConfig
from tmrl_learning.worker import LearnerWorker, learner_config


def learn(run_dir: Path, *, episodes: int, **settings: Any) -> LearnerSession:
    """Feeds successful episodes of three chunks and runs every owed round, without a server."""
    config = LearningConfig(
        robot="arm",
        session="run",
        run_dir=str(run_dir),
        server="tcp://127.0.0.1:1",
        wandb="disabled",
        **settings,
    )
    no_server = cast(Any, SimpleNamespace(welcome=None, connected=False))
    worker = LearnerWorker(config, no_server, FakeClock())
    session = LearnerSession(learner_config(config), Sizes(FEATURES, Z, 0), FakeClock().now_s)
    for episode in range(1, episodes + 1):
        for transition in make_episode(3 * episode - 2, episode, 3, Outcome.SUCCESS):
            worker.put(transition)
        worker.step(session)
        while session.updates_owed and config.method != "base":
            worker.step(session)
    return session


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", ["tmrl", "base"])
def test_every_episode_is_in_the_metrics(tmp_path: Path, method: str) -> None:
    learn(tmp_path, episodes=4, method=method)
    found = rows(tmp_path)
    assert [row["step"] for row in found] == ["3", "6", "9", "12"]
    assert [float(row["successes"]) for row in found] == [1, 2, 3, 4]


def test_losses_are_in_the_metrics_once_there_are_any(tmp_path: Path) -> None:
    small = ("schedule.warmup_chunks=3", "agent.utd=1", "agent.hidden=8", "agent.batch_size=4")
    session = learn(tmp_path, episodes=3, overrides=small)
    last = rows(tmp_path)[-1]
    assert session.counters.rounds > 100
    assert 0 <= session.counters.rounds - float(last["rounds"]) < 10
    assert float(last["critic_loss"]) >= 0.0


def test_the_resolved_settings_lie_beside_the_metrics(tmp_path: Path) -> None:
    learn(tmp_path, episodes=1, overrides=("agent.utd=7",))
    written = yaml.safe_load((tmp_path / "metrics.yaml").read_text())
    assert written["learner"]["agent"]["utd"] == 7
    assert written["session"] == "run"
