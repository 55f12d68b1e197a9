"""What the learner's thread leaves in the run directory, and how it resumes from there."""

import csv
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import yaml

from tmrl_common.clock import SteadyClock
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Swap
from tmrl_common.storage import StorageError
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transition_copy import TransitionCopy
from tmrl_common.types import Outcome
from tmrl_learner.config import Sizes
from tmrl_learner.run_config import RunConfig
from tmrl_learner.session import CHECKPOINT_KIND, CHECKPOINT_STEM, LearnerSession
from tmrl_learner.testing import FEATURES, Z, make_episode
from tmrl_learner.worker import LearnerWorker, connect
from tmrl_policies.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

SMALL = ("schedule.warmup_chunks=3", "agent.utd=1", "agent.hidden=8", "agent.batch_size=4")
SPEC = replace(EXAMPLE_SPEC, z_dim=Z, epsilon_dim=0, features_dim=FEATURES)


def configured(run_dir: Path, server: str = "tcp://127.0.0.1:1", **settings: Any) -> RunConfig:
    return RunConfig(
        robot="arm",
        session="run",
        run_dir=str(run_dir),
        server=server,
        **({"wandb": "disabled"} | settings),
    )


def learn(run_dir: Path, *, episodes: int, epsilon_dim: int = 0, **settings: Any) -> LearnerSession:
    """Feeds successful episodes of three chunks and runs every owed round, without a server."""
    config = configured(run_dir, **settings)
    no_server = cast(Any, SimpleNamespace(welcome=None, connected=False))
    worker = LearnerWorker(config, no_server, FakeClock())
    sizes = Sizes(FEATURES, Z, epsilon_dim)
    session = LearnerSession(config.learner, sizes, FakeClock().now_s)
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


def test_the_frozen_policy_by_itself_fills_the_buffer_of_a_rig_that_steers_epsilon(
    tmp_path: Path,
) -> None:
    session = learn(tmp_path, episodes=2, method="base", preset="widowx", epsilon_dim=2048)
    assert session.counters.stored == 6


def test_losses_are_in_the_metrics_once_there_are_any(tmp_path: Path) -> None:
    session = learn(tmp_path, episodes=3, overrides=SMALL)
    last = rows(tmp_path)[-1]
    assert session.counters.rounds > 100
    assert 0 <= session.counters.rounds - float(last["rounds"]) < 10
    assert float(last["critic_loss"]) >= 0.0


def test_wandb_draws_the_sigma_of_every_new_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[dict[str, Any]] = []
    run = SimpleNamespace(log=records.append, finish=lambda: None, define_metric=lambda *_, **__: 0)
    fake = SimpleNamespace(init=lambda **_: run, Settings=lambda **_: None, Histogram=list)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    learn(tmp_path, episodes=4, wandb="offline")

    def drawn() -> list[float]:
        return [sigma for record in list(records) for sigma in record.get("sigma_of_chunks", ())]

    # wandb has a thread of its own.
    wait_until(lambda: len(drawn()) >= 12, "every chunk")
    assert drawn() == [0.5] * 12


def test_the_resolved_settings_lie_beside_the_metrics(tmp_path: Path) -> None:
    learn(tmp_path, episodes=1, overrides=("agent.utd=7",))
    written = yaml.safe_load((tmp_path / "metrics.yaml").read_text())
    assert written["learner"]["agent"]["utd"] == 7
    assert written["session"] == "run"


@contextmanager
def second_life(run_dir: Path, server: FakePolicyServer) -> Iterator[LearnerWorker]:
    """A learner in its thread, as the node runs it."""
    config = configured(run_dir, server.endpoint, overrides=SMALL)
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


def test_a_resumed_learner_hands_over_its_actor_and_never_sends_the_arm_exploring(
    tmp_path: Path,
) -> None:
    before = learn(tmp_path, episodes=3, overrides=SMALL)
    before.save(tmp_path / "checkpoint")
    with FakePolicyServer(SPEC) as server, second_life(tmp_path, server) as worker:
        wait_until(lambda: worker.status.phase != "starting", "the learner")
        assert worker.status.phase == "training"
        assert [type(request) for request in server.requests] == [Swap]
        assert worker.status.rounds == before.counters.rounds


def test_an_actor_that_the_server_refuses_does_not_send_the_arm_exploring_either(
    tmp_path: Path,
) -> None:
    learn(tmp_path, episodes=3, overrides=SMALL).save(tmp_path / "checkpoint")
    with FakePolicyServer(SPEC) as server:
        server.fail_with = RequestError(ErrorCode.INTERNAL, "out of memory")
        with second_life(tmp_path, server) as worker:
            wait_until(lambda: worker.status.phase != "starting", "the learner")
            assert worker.status.phase == "training"
            assert "out of memory" in worker.status.reason


def test_a_transition_that_cannot_be_used_costs_itself_and_not_the_run(tmp_path: Path) -> None:
    config = configured(tmp_path)
    no_server = cast(Any, SimpleNamespace(welcome=None, connected=False))
    worker = LearnerWorker(config, no_server, FakeClock())
    session = LearnerSession(config.learner, Sizes(FEATURES, Z, 0), FakeClock().now_s)
    first, second, last = make_episode(1, 1, 3, Outcome.SUCCESS)
    other = np.zeros(FEATURES + 1, np.float32)
    worker.put(first)
    worker.put(replace(second, features=other, next_features=other))
    worker.step(session)
    assert "transition 2 of session 'run': features has shape" in worker.status.reason
    worker.put(last)
    worker.step(session)
    status = worker.status
    assert (status.transitions_stored, status.transitions_refused, status.reason) == (2, 1, "")
    assert status.contiguous_sequence == 3


def test_numbers_that_were_given_up_are_waited_for_no_longer_after_a_restart(
    tmp_path: Path,
) -> None:
    session = LearnerSession(configured(tmp_path).learner, Sizes(FEATURES, Z, 0), FakeClock().now_s)
    for transition in make_episode(1, 1, 3, Outcome.SUCCESS):
        session.ingest(transition)
    session.give_up("arm", "run", 3, 20)
    session.save(tmp_path)
    resumed = LearnerSession(configured(tmp_path).learner, Sizes(FEATURES, Z, 0), FakeClock().now_s)
    resumed.load(tmp_path)
    assert resumed.contiguous_sequence("arm", "run") == 20
    assert (resumed.counters.stored, resumed.counters.lost) == (3, 17)


def test_a_checkpoint_from_before_refusals_were_counted_resumes(tmp_path: Path) -> None:
    session = learn(tmp_path, episodes=1)
    session.save(tmp_path)
    stem = tmp_path / CHECKPOINT_STEM
    checkpoint = load_checkpoint(stem, CHECKPOINT_KIND)
    for name in ("lost", "refused"):
        del checkpoint.metadata["counters"][name]
    save_checkpoint(stem, CHECKPOINT_KIND, checkpoint.tensors, checkpoint.metadata)
    resumed = LearnerSession(session.config, session.sizes, FakeClock().now_s)
    resumed.load(tmp_path)
    assert resumed.counters == session.counters


def test_the_learner_keeps_a_whole_copy_of_what_it_takes(tmp_path: Path) -> None:
    learn(tmp_path, episodes=2, overrides=SMALL)
    learn(tmp_path, episodes=2, overrides=SMALL)
    copy = TransitionCopy(tmp_path / "transitions_copy.sqlite")
    (stream,) = copy.streams()
    numbers = copy.numbers(stream)
    assert numbers == set(range(1, 7))
    assert [each.sequence for each in copy.read(stream, numbers)] == sorted(numbers)
    copy.close()


def test_a_learner_without_room_for_its_checkpoints_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says of a disk with 20 MB left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000_000))
    with pytest.raises(StorageError, match="20 MB of free space, and 500 MB are needed"):
        LearnerWorker(configured(tmp_path), cast(Any, None), FakeClock())


@pytest.mark.parametrize("lost", ["learner.json", "learner.safetensors"])
def test_half_a_checkpoint_is_refused_by_name_and_nothing_is_written_over_it(
    tmp_path: Path, lost: str
) -> None:
    learn(tmp_path, episodes=3, overrides=SMALL).save(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / lost).unlink()
    left = {path: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()}
    config = configured(tmp_path, overrides=SMALL)
    with FakePolicyServer(SPEC) as server:
        config = replace(config, server=server.endpoint)
        with connect(config) as client:
            worker = LearnerWorker(config, client, SteadyClock())
            with pytest.raises(CheckpointError, match=lost):
                worker.run(threading.Event())
    assert {path: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()} == left


def test_a_learner_that_was_killed_in_its_first_save_begins_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "learner.safetensors.next").write_bytes(b"half of it")
    with FakePolicyServer(SPEC) as server, second_life(tmp_path, server) as worker:
        wait_until(lambda: worker.status.phase != "starting", "the learner")
        assert worker.status.phase == "warmup"
        for transition in make_episode(1, 1, 3, Outcome.SUCCESS):
            worker.put(transition)
        wait_until(lambda: worker.status.transitions_stored == 3, "three transitions")
    load_checkpoint(tmp_path / "checkpoint" / CHECKPOINT_STEM, CHECKPOINT_KIND)


def test_two_arms_fill_one_replay_and_each_hears_of_its_own_journal(tmp_path: Path) -> None:
    config = configured(tmp_path, robots=("other",))
    no_server = cast(Any, SimpleNamespace(welcome=None, connected=False))
    worker = LearnerWorker(config, no_server, FakeClock())
    session = LearnerSession(config.learner, Sizes(FEATURES, Z, 0), FakeClock().now_s)
    for transition in make_episode(1, 1, 3, Outcome.SUCCESS):
        worker.put(transition)
    for transition in make_episode(1, 1, 5, Outcome.FAILURE, robot="other"):
        worker.put(transition)
    worker.give_up("other", 6, 7)
    worker.step(session)

    mine, others = worker.status_of("arm"), worker.status_of("other")
    assert worker.status is mine
    assert (mine.contiguous_sequence, others.contiguous_sequence) == (3, 7)
    assert replace(mine, contiguous_sequence=7) == others
    assert (mine.transitions_stored, mine.transitions_lost) == (8, 2)
    assert (mine.episodes_stored, mine.successes_stored) == (2, 1)
