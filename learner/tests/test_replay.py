"""The replay buffer: what goes in, what can be drawn, what survives."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.chunks import Driver, Origin
from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import Outcome, SteeringSource
from tmrl_learner.config import ReplayConfig
from tmrl_learner.errors import ReplayFullError
from tmrl_learner.replay.buffer import InsertResult, ReplayBuffer
from tmrl_learner.replay.sequences import SequenceIndex
from tmrl_learner.testing import ENDS, FEATURES, Z, make_episode, make_transition


def make_buffer(capacity: int = 100, success_share: float = 0.5) -> ReplayBuffer:
    return ReplayBuffer(ReplayConfig(capacity, success_share), FEATURES, Z, epsilon_dim=0)


def fill(buffer: ReplayBuffer, transitions: Iterable[Transition]) -> None:
    for transition in transitions:
        buffer.insert(transition)


def drawn(buffer: ReplayBuffer, column: str = "features") -> set[float]:
    """Values of a column's first entry that a large draw brings up."""
    return set(buffer.sample(np.random.default_rng(0), 1, 4000)[column][:, 0].tolist())


def learned_end(buffer: ReplayBuffer, sequence: int) -> tuple[float, bool, float] | None:
    """Reward, terminated and next feature with which a transition is learned from, if it is."""
    batch = {n: c.numpy() for n, c in buffer.sample(np.random.default_rng(0), 1, 4000).items()}
    rows = np.flatnonzero(batch["features"][:, 0] == sequence)
    if rows.size == 0:
        return None
    row = rows[0]
    terminated = bool(batch["terminated"][row, 0])
    return float(batch["reward"][row, 0]), terminated, float(batch["next_features"][row, 0])


@pytest.mark.parametrize(
    ("outcome", "last", "learned"),
    [
        (Outcome.SUCCESS, (0.0, True, 3.5), {1.0, 2.0, 3.0}),
        (Outcome.FAILURE, (-1.0, False, 3.5), {1.0, 2.0, 3.0}),
        (Outcome.TIMEOUT, (-1.0, False, 3.5), {1.0, 2.0, 3.0}),
        (Outcome.ABORTED, None, {1.0, 2.0}),
        (Outcome.DISCARDED, None, set[float]()),
    ],
)
def test_each_end_of_an_episode_is_learned_as_the_contract_says(
    outcome: Outcome, last: tuple[float, bool, float] | None, learned: set[float]
) -> None:
    buffer = make_buffer(success_share=0.0)
    fill(buffer, make_episode(1, 1, 3, outcome))
    fill(buffer, make_episode(11, 2, 1, Outcome.TIMEOUT))
    assert drawn(buffer) == learned | {11.0}
    assert learned_end(buffer, 3) == last
    assert len(buffer) == 4


@pytest.mark.parametrize("driver", [[0, 0, 1], [1, 1, 1], [0, 2], []])
def test_chunks_that_the_policy_did_not_drive_whole_are_stored_but_not_learned(
    driver: list[int],
) -> None:
    buffer = make_buffer()
    buffer.insert(make_transition(1, 1, 0, driver=np.array(driver, np.uint8)))
    buffer.insert(make_transition(2, 1, 1))
    assert len(buffer) == 2
    assert drawn(buffer) == {2.0}


def test_the_same_chunk_counts_once_and_a_revision_replaces_it() -> None:
    buffer = make_buffer()
    assert buffer.insert(make_transition(1, 1, 0)) is InsertResult.STORED
    assert buffer.insert(make_transition(2, 1, 0)) is InsertResult.DUPLICATE
    assert buffer.insert(make_transition(3, 1, 0, revision=1)) is InsertResult.REVISED
    assert buffer.insert(make_transition(1, 1, 0)) is InsertResult.DUPLICATE
    assert len(buffer) == 1
    assert drawn(buffer) == {3.0}


def revise_last(outcome: Outcome, sequence: int, revision: int) -> Transition:
    end: dict[str, Any] = ENDS[outcome] | {"episode_outcome": outcome, "revision": revision}
    return make_transition(sequence, 1, 2, **end)


def test_relabelling_changes_ends_and_strata_and_can_be_undone() -> None:
    buffer = make_buffer()
    fill(buffer, make_episode(1, 1, 3, Outcome.SUCCESS))
    assert buffer.successes == 1
    buffer.insert(revise_last(Outcome.FAILURE, 4, 1))
    assert buffer.successes == 0
    assert learned_end(buffer, 4) == (-1.0, False, 4.5)
    buffer.insert(revise_last(Outcome.DISCARDED, 5, 2))
    assert buffer.learnable == 0
    buffer.insert(revise_last(Outcome.SUCCESS, 6, 3))
    assert buffer.successes == 1
    assert learned_end(buffer, 6) == (0.0, True, 6.5)
    assert drawn(buffer) == {1.0, 2.0, 6.0}


def test_an_old_label_that_arrives_late_does_not_undo_a_newer_one() -> None:
    buffer = make_buffer()
    first, second, last = make_episode(1, 1, 3, Outcome.SUCCESS)
    fill(buffer, [first, second, revise_last(Outcome.DISCARDED, 4, 1), last])
    assert buffer.learnable == 0


def test_a_label_that_moves_to_an_earlier_chunk_keeps_the_later_one_out() -> None:
    buffer = make_buffer()
    fill(buffer, make_episode(1, 1, 3, Outcome.TIMEOUT))
    success = ENDS[Outcome.SUCCESS] | {"episode_outcome": Outcome.SUCCESS, "revision": 1}
    buffer.insert(make_transition(4, 1, 1, **success))
    buffer.insert(make_transition(5, 1, 2, aborted=True, revision=1))
    assert buffer.successes == 1
    assert drawn(buffer) == {1.0, 4.0}


def test_half_of_a_batch_comes_from_successes_once_there_are_any() -> None:
    buffer = make_buffer(capacity=1000)
    fill(buffer, make_episode(1, 1, 90, Outcome.TIMEOUT))
    assert drawn(buffer) == set(map(float, range(1, 91)))
    fill(buffer, make_episode(101, 2, 2, Outcome.SUCCESS))
    batch = buffer.sample(np.random.default_rng(0), 7, 64)["features"][:, 0].view(7, 64)
    assert ((batch > 100).sum(dim=1) >= 32).all()


def actions_buffer(width: int) -> ReplayBuffer:
    return ReplayBuffer(ReplayConfig(), FEATURES, Z, epsilon_dim=0, actions_dim=width)


EXECUTED = np.arange(1, 7, dtype=np.float32).reshape(3, 2)


@pytest.mark.parametrize(
    ("steps", "stored"),
    [
        (3, [1, 2, 3, 4, 5, 6]),
        (2, [1, 2, 3, 4, 3, 4]),
        (1, [1, 2, 1, 2, 1, 2]),
    ],
)
@pytest.mark.parametrize("driver", [Driver.POLICY, Driver.TELEOP])
def test_a_chunk_that_ended_early_holds_its_last_action(
    steps: int, stored: list[float], driver: Driver
) -> None:
    buffer = actions_buffer(width=6)
    chunk = {"executed_actions": EXECUTED[:steps], "driver": np.full(steps, driver, np.uint8)}
    buffer.insert(make_transition(1, 1, 0, **chunk))
    batch = buffer.sample(np.random.default_rng(0), 1, 4)
    np.testing.assert_array_equal(batch["actions"][0].numpy(), stored)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"driver": np.array([0, 0, 2], np.uint8)}, "nobody drove the last step"),
        ({"aborted": True}, "the end is not trusted"),
        ({"executed_actions": np.zeros((0, 2), np.float32), "driver": []}, "no step ran"),
        (
            {"executed_actions": np.zeros((4, 2), np.float32), "driver": np.ones(4, np.uint8)},
            "the row would show the beginning only",
        ),
    ],
)
def test_actions_that_do_not_explain_the_reward_are_stored_but_not_learned(
    changes: dict[str, Any], why: str
) -> None:
    buffer = actions_buffer(width=6)
    chunk = {"executed_actions": EXECUTED, "driver": np.zeros(3, np.uint8)} | changes
    chunk["driver"] = np.asarray(chunk["driver"], np.uint8)
    buffer.insert(make_transition(1, 1, 0, **chunk))
    assert (len(buffer), buffer.learnable) == (1, 0), why


def test_actions_of_another_dimension_are_refused_by_name() -> None:
    with pytest.raises(InvalidTransitionError, match="executed_actions has 4 columns"):
        actions_buffer(width=6).insert(make_transition(1, 1, 0))


def test_a_full_buffer_drops_the_oldest_episodes_whole_and_keeps_them_out() -> None:
    buffer = make_buffer(capacity=10)
    oldest = make_episode(1, 1, 4, Outcome.SUCCESS)
    fill(buffer, oldest)
    fill(buffer, make_episode(11, 2, 4, Outcome.TIMEOUT))
    fill(buffer, make_episode(21, 3, 4, Outcome.TIMEOUT))
    assert len(buffer) == 8
    assert (buffer.episodes, buffer.successes) == (2, 0)
    assert drawn(buffer) == {11.0, 12.0, 13.0, 14.0, 21.0, 22.0, 23.0, 24.0}
    assert buffer.insert(oldest[0]) is InsertResult.EVICTED


def test_an_episode_longer_than_the_buffer_is_refused_by_name() -> None:
    buffer = make_buffer(capacity=3)
    fill(buffer, [make_transition(c + 1, 1, c) for c in range(3)])
    with pytest.raises(ReplayFullError, match=r"raise replay\.capacity"):
        buffer.insert(make_transition(4, 1, 3))


def test_wrong_sizes_are_refused_before_anything_changes() -> None:
    buffer = make_buffer()
    with pytest.raises(InvalidTransitionError, match=r"z has shape \(5,\).*\(2,\)"):
        buffer.insert(make_transition(1, 1, 0, z=np.zeros(5, np.float32)))
    assert len(buffer) == 0
    assert buffer.episodes == 0


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_order_and_repetition_of_arrival_do_not_matter(order: list[int], again: set[int]) -> None:
    transitions = [
        *make_episode(1, 1, 4, Outcome.SUCCESS),
        *make_episode(5, 2, 4, Outcome.TIMEOUT),
        *make_episode(9, 3, 4, Outcome.ABORTED),
    ]
    buffer = make_buffer()
    fill(buffer, (transitions[i] for i in order))
    fill(buffer, (transitions[i] for i in again))
    assert drawn(buffer) == set(map(float, range(1, 12)))
    assert (len(buffer), buffer.episodes, buffer.successes) == (12, 3, 1)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(0, 2)), max_size=80))
def test_book_keeping_never_leaks_rows(inserts: list[tuple[int, int, int]]) -> None:
    buffer = make_buffer(capacity=12)
    for sequence, (episode, chunk, revision) in enumerate(inserts, start=1):
        driver = np.full(5, Driver.TELEOP if sequence % 3 == 0 else Driver.POLICY, np.uint8)
        buffer.insert(make_transition(sequence, episode, chunk, revision=revision, driver=driver))
        assert buffer.learnable <= len(buffer) <= 12
    arrays, metadata = buffer.state()
    rows = [row for *_, chunks in metadata["episodes"] for _, row in chunks]
    assert len(rows) == len(set(rows)) == len(buffer)
    assert set(arrays["learnable_rows"].tolist()) <= set(rows)
    assert set(rows).isdisjoint(arrays["freed_rows"].tolist())


@given(st.lists(st.integers(1, 30)))
def test_missing_numbers_are_those_that_did_not_arrive(arrived: list[int]) -> None:
    index = SequenceIndex()
    for sequence in arrived:
        index.add(sequence)
    assert index.missing(30) == [s for s in range(1, 31) if s not in set(arrived)]
    assert len(index) == len(set(arrived))
    assert all(s in index for s in arrived)


def test_what_a_person_drove_is_stored_and_not_drawn_without_its_actions() -> None:
    buffer = ReplayBuffer(ReplayConfig(capacity=10), FEATURES, Z, 0)
    human = by_a_person(1)
    assert buffer.insert(human) is InsertResult.STORED
    assert (len(buffer), buffer.learnable) == (1, 0)


def test_what_a_person_drove_is_drawn_with_its_actions() -> None:
    buffer = ReplayBuffer(ReplayConfig(capacity=10), FEATURES, Z, 0, actions_dim=20)
    buffer.insert(by_a_person(1))
    assert buffer.learnable == 1
    batch = buffer.sample(np.random.default_rng(0), 1, 4)
    assert (batch["z"] == 0.0).all()
    assert (batch["actions"][:, :12] == 2.0).all()
    assert (batch["actions"][:, 12:] == 2.0).all(), "a shorter segment holds its last action"


def by_a_person(sequence: int) -> Transition:
    """A segment of three steps, after which the person let go."""
    return make_transition(
        *(sequence, 1, 0),
        z=np.zeros(0, np.float32),
        sigma=0.0,
        steering=SteeringSource.NONE,
        origin=Origin.HUMAN,
        executed_actions=np.full((3, 4), 2.0, np.float32),
        driver=np.full(3, Driver.TELEOP, np.uint8),
    )
