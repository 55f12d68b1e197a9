"""The learner's core: phases, debt, exactly-once, checkpoints."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as decode_tensors

from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import Outcome
from tmrl_learner.algorithms.tmrl.config import TmrlConfig
from tmrl_learner.config import LearnerConfig, ReplayConfig, ScheduleConfig, Sizes
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.session import LearnerSession, Phase
from tmrl_learner.testing import FEATURES, Z, make_episode, make_transition

SIZES = Sizes(features=FEATURES, z=Z, epsilon=4)
CONFIG = LearnerConfig(
    agent=TmrlConfig(hidden=8, critics=2, batch_size=8, utd=2),
    replay=ReplayConfig(capacity=40),
    schedule=ScheduleConfig(warmup_chunks=6, warmup_successes=1, warmup_max_chunks=12),
)


def make_session(config: LearnerConfig = CONFIG) -> LearnerSession:
    return LearnerSession(config, SIZES, steady_s=lambda: 0.0)


def episodes(count: int, outcome: Callable[[int], Outcome]) -> list[Transition]:
    per_episode = [make_episode(1 + 3 * e, e + 1, 3, outcome(e)) for e in range(count)]
    return list(itertools.chain.from_iterable(per_episode))


def mixed(count: int) -> list[Transition]:
    return episodes(count, lambda e: Outcome.SUCCESS if e % 3 == 0 else Outcome.TIMEOUT)


def test_warmup_needs_both_chunks_and_successes() -> None:
    session = make_session()
    for transition in episodes(2, lambda e: Outcome.TIMEOUT):
        session.ingest(transition)
    assert session.phase is Phase.WARMUP
    for transition in make_episode(7, 3, 3, Outcome.SUCCESS)[:-1]:
        session.ingest(transition)
    assert session.phase is Phase.WARMUP
    session.ingest(make_episode(7, 3, 3, Outcome.SUCCESS)[-1])
    assert session.phase is Phase.TRAINING


def test_warmup_gives_up_on_successes_after_its_longest_time() -> None:
    session = make_session()
    failures = episodes(4, lambda e: Outcome.TIMEOUT)
    for transition in failures[:-1]:
        session.ingest(transition)
    assert session.phase is Phase.WARMUP
    session.ingest(failures[-1])
    assert session.phase is Phase.TRAINING


def test_a_round_may_wait_for_several_transitions() -> None:
    schedule = replace(CONFIG.schedule, chunks_per_round=4)
    session = make_session(replace(CONFIG, schedule=schedule))
    for transition in mixed(6):
        session.ingest(transition)
    assert session.counters.stored == 18
    assert session.updates_owed == 3  # after transitions 8, 12 and 16


def test_one_round_is_owed_per_transition_after_the_warmup_and_debt_is_bounded() -> None:
    schedule = replace(CONFIG.schedule, burst_rounds=4, max_rounds_owed=5)
    session = make_session(replace(CONFIG, schedule=schedule))
    transitions = mixed(4)
    for transition in transitions[:6]:
        session.ingest(transition)
    assert session.updates_owed == 4
    session.update()
    for transition in transitions[6:9]:
        session.ingest(transition)
    assert session.updates_owed == 5
    assert session.counters.rounds_skipped == 1
    while session.updates_owed:
        session.update()
    assert session.counters.rounds == 6
    with pytest.raises(LearnerError, match="updates_owed"):
        session.update()


def test_transitions_count_exactly_once_and_gaps_are_named() -> None:
    session = make_session()
    transitions = mixed(3)
    kept = [t for t in transitions if t.sequence not in (2, 5)]
    assert all([session.ingest(t) for t in kept])
    assert not any([session.ingest(t) for t in kept])
    assert session.missing("arm", "run", 9) == [2, 5]
    assert session.contiguous_sequence("arm", "run") == 1
    assert session.missing("arm", "other run", 2) == [1, 2]
    assert all([session.ingest(t) for t in transitions if t.sequence in (2, 5)])
    assert session.missing("arm", "run", 9) == []
    assert (session.counters.stored, session.counters.duplicates) == (9, 7)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (make_transition(7, 3, 0, reward=float("nan")), "reward holds nan"),
        (make_transition(7, 3, 0, terminated=True, truncated=True), "at most one"),
        (make_transition(7, 3, 0, episode_outcome=Outcome.SUCCESS), "ends no episode"),
        (make_transition(0, 3, 0), "sequence holds 0"),
    ],
)
def test_contradictory_transitions_are_refused_and_change_nothing(
    bad: Transition, message: str
) -> None:
    session = make_session()
    with pytest.raises(InvalidTransitionError, match=message):
        session.ingest(bad)
    assert len(session.replay) == 0
    assert session.missing("arm", "run", 1) == [1]


def test_snapshot_names_its_content_and_changes_with_the_actor() -> None:
    session = make_session()
    first = session.actor_snapshot()
    assert first == session.actor_snapshot()
    assert first.version == 0
    assert hashlib.sha256(first.content).hexdigest() == first.sha256
    weights = decode_tensors(first.content)
    assert weights.keys() == session.agent.actor.state_dict().keys()
    for transition in mixed(3):
        session.ingest(transition)
    session.update()
    second = session.actor_snapshot()
    assert second.version == 1
    assert second.sha256 != first.sha256


def drive(session: LearnerSession, transitions: list[Transition]) -> list[dict[str, float]]:
    """Ingests one by one and runs what is owed, as the shell does."""
    metrics: list[dict[str, float]] = []
    for transition in transitions:
        session.ingest(transition)
        while session.updates_owed:
            metrics.append(session.update())
    return metrics


@pytest.mark.parametrize("stop_after", [0, 4, 9, 25, 50])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tmp_path: Path, stop_after: int
) -> None:
    transitions = mixed(20)
    whole = make_session()
    drive(whole, transitions[:stop_after])
    whole.save(tmp_path)
    resumed = make_session()
    resumed.load(tmp_path)
    # What the journal sends again after a restart overlaps with what the checkpoint holds.
    again = transitions[max(0, stop_after - 3) :]
    assert drive(whole, transitions[stop_after:]) == drive(resumed, again)
    assert whole.actor_snapshot() == resumed.actor_snapshot()
    theirs = resumed.agent.state()
    for name, tensor in whole.agent.state().items():
        assert torch.equal(tensor, theirs[name]), name
    ours_rows, ours_index = whole.replay.state()
    theirs_rows, theirs_index = resumed.replay.state()
    assert ours_index == theirs_index
    for name, rows in ours_rows.items():
        np.testing.assert_array_equal(rows, theirs_rows[name], err_msg=name)


def test_only_what_a_checkpoint_holds_is_called_durable(tmp_path: Path) -> None:
    session = make_session()
    transitions = mixed(2)
    session.ingest(transitions[0])
    assert session.durable_index() == {}
    session.save(tmp_path)
    session.ingest(transitions[1])
    assert session.durable_index()["arm", "run"].contiguous == 1
    assert session.contiguous_sequence("arm", "run") == 2
    resumed = make_session()
    resumed.load(tmp_path)
    assert resumed.durable_index()["arm", "run"].contiguous == 1
    assert resumed.missing("arm", "run", 2) == [2]


def test_a_checkpoint_of_another_configuration_is_refused_by_name(tmp_path: Path) -> None:
    make_session().save(tmp_path)
    other = make_session(replace(CONFIG, agent=replace(CONFIG.agent, utd=7)))
    with pytest.raises(ResumeError, match="agent"):
        other.load(tmp_path)
    longer_warmup = replace(CONFIG.schedule, warmup_max_chunks=99)
    make_session(replace(CONFIG, schedule=longer_warmup)).load(tmp_path)


def test_a_checkpoint_without_a_younger_setting_resumes_where_that_has_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(config: LearnerConfig) -> dict[str, Any]:
        mapping = asdict(config)
        del mapping["agent"]["sigma_levels"]
        return mapping

    with monkeypatch.context() as patch:
        patch.setattr(LearnerConfig, "to_mapping", older)
        make_session().save(tmp_path)
    make_session().load(tmp_path)
    levelled = make_session(replace(CONFIG, agent=replace(CONFIG.agent, sigma_levels=3)))
    with pytest.raises(ResumeError, match="sigma_levels"):
        levelled.load(tmp_path)
