"""Strata of the replay buffer, offline data beside it, and its copy on a device."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch

from tmrl_common.transitions import InvalidTransitionError, Transition
from tmrl_common.types import FloatArray, Outcome
from tmrl_learner.config import ReplayConfig
from tmrl_learner.errors import LearnerError, ResumeError
from tmrl_learner.replay.buffer import ReplayBuffer
from tmrl_learner.replay.columns import DeviceMirror
from tmrl_learner.testing import FEATURES, Z, make_episode, make_transition


def make_stratified(**config: Any) -> ReplayBuffer:
    return ReplayBuffer(ReplayConfig(**config), FEATURES, Z, epsilon_dim=0)


def fill(buffer: ReplayBuffer, transitions: Iterable[Transition]) -> None:
    for transition in transitions:
        buffer.insert(transition)


def drawn(buffer: ReplayBuffer, column: str = "features") -> set[float]:
    """Values of a column's first entry that a large draw brings up."""
    return set(buffer.sample(np.random.default_rng(0), 1, 4000)[column][:, 0].tolist())


OFFLINE_ROWS = 5


def offline_data(**changes: FloatArray) -> dict[str, FloatArray]:
    """Rows whose features count down from -1, so that they are distinguished from online ones."""
    numbers = -np.arange(1, OFFLINE_ROWS + 1, dtype=np.float32)[:, None]
    ones = np.ones((OFFLINE_ROWS, 1), np.float32)
    columns = {
        "features": np.repeat(numbers, FEATURES, axis=1),
        "z": np.repeat(ones, Z, axis=1),
        "sigma": 0.0 * ones,
        "epsilon": np.zeros((OFFLINE_ROWS, 0), np.float32),
        "reward": -ones,
        "next_features": np.repeat(numbers - 0.5, FEATURES, axis=1),
        "terminated": 0.0 * ones,
    }
    return columns | changes


def drawn_per_stratum(buffer: ReplayBuffer, batches: int, size: int) -> dict[str, list[int]]:
    """Rows of each minibatch by stratum: success above 200, failure above 100, offline below 0."""
    column = buffer.sample(np.random.default_rng(0), batches, size)["features"][:, 0].numpy()
    column = column.reshape(batches, size)
    counts = {
        "success": column > 200,
        "failure": (column > 100) & (column < 200),
        "offline": column < 0,
    }
    return {name: where.sum(axis=1).tolist() for name, where in counts.items()}


@pytest.mark.parametrize(
    ("shares", "at_least"),
    [
        ({"success_share": 0.25, "failure_share": 0.25, "offline_share": 0.5}, (16, 16, 32)),
        ({"success_share": 0.0, "offline_share": 0.5}, (0, 0, 32)),
        ({"success_share": 0.0, "failure_share": 0.4}, (0, 25, 0)),
        ({"success_share": 0.0, "offline_share": 1.0}, (0, 0, 64)),
    ],
)
def test_every_minibatch_has_each_stratum_with_its_share(
    shares: dict[str, float], at_least: tuple[int, int, int]
) -> None:
    buffer = make_stratified(capacity=1000, **shares)
    fill(buffer, (make_transition(i, 1, i) for i in range(1, 91)))
    fill(buffer, make_episode(101, 2, 2, Outcome.TIMEOUT))
    fill(buffer, make_episode(201, 3, 2, Outcome.SUCCESS))
    buffer.load_offline(offline_data())
    counts = drawn_per_stratum(buffer, batches=7, size=64)
    for name, count in zip(("success", "failure", "offline"), at_least, strict=True):
        assert min(counts[name]) >= count, name
    # Offline rows are drawn for their share alone, never as part of "all".
    assert set(counts["offline"]) == {at_least[2]}


def test_empty_strata_leave_their_shares_to_all() -> None:
    buffer = make_stratified(success_share=0.4, failure_share=0.3, offline_share=0.3)
    fill(buffer, (make_transition(i, 1, i) for i in range(1, 4)))
    assert drawn(buffer) == {1.0, 2.0, 3.0}


def test_offline_data_stay_when_the_buffer_is_full() -> None:
    buffer = make_stratified(capacity=4, success_share=0.0, offline_share=0.5)
    fill(buffer, make_episode(1, 1, 3, Outcome.TIMEOUT))
    buffer.load_offline(offline_data())
    fill(buffer, make_episode(11, 2, 3, Outcome.TIMEOUT))
    assert drawn(buffer) == {11.0, 12.0, 13.0, -1.0, -2.0, -3.0, -4.0, -5.0}
    assert drawn(buffer, "next_features") >= {11.5, -5.5}
    assert (len(buffer), buffer.offline) == (3, OFFLINE_ROWS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (offline_data(z=np.ones((5, 3), np.float32)), r"z has shape \(5, 3\).*\(5, 2\)"),
        (offline_data(sigma=np.ones(5, np.float32)), r"sigma has shape \(5,\).*\(5, 1\)"),
        (offline_data(reward=np.ones((4, 1), np.float32)), r"features has shape \(5, 3\)"),
        (offline_data(reward=np.full((5, 1), np.nan, np.float32)), "reward holds a NaN"),
        (offline_data(action=np.ones((5, 1), np.float32)), "have the columns action"),
        ({n: c[:0] for n, c in offline_data().items()}, "at least one row"),
    ],
)
def test_offline_data_that_do_not_fit_are_refused_by_name(
    columns: dict[str, FloatArray], message: str
) -> None:
    buffer = make_stratified(offline_share=0.5)
    with pytest.raises(InvalidTransitionError, match=message):
        buffer.load_offline(columns)
    assert buffer.offline == 0


def test_offline_data_are_loaded_once() -> None:
    buffer = make_stratified(offline_share=0.5)
    buffer.load_offline(offline_data())
    with pytest.raises(LearnerError, match="join the data sets"):
        buffer.load_offline(offline_data())


def test_a_checkpoint_asks_for_the_offline_data_it_was_written_with() -> None:
    buffer = make_stratified(success_share=0.0, offline_share=0.5)
    buffer.load_offline(offline_data())
    fill(buffer, make_episode(1, 1, 3, Outcome.TIMEOUT))
    arrays, metadata = buffer.state()
    assert len(arrays["features"]) == 3
    resumed = make_stratified(success_share=0.0, offline_share=0.5)
    with pytest.raises(ResumeError, match="has none"):
        resumed.load_state(arrays, metadata)
    other = make_stratified(success_share=0.0, offline_share=0.5)
    other.load_offline(offline_data(reward=np.zeros((OFFLINE_ROWS, 1), np.float32)))
    with pytest.raises(ResumeError, match="offline data"):
        other.load_state(arrays, metadata)
    resumed.load_offline(offline_data())
    resumed.load_state(arrays, metadata)
    ours = buffer.sample(np.random.default_rng(0), 3, 8)
    theirs = resumed.sample(np.random.default_rng(0), 3, 8)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
        ),
    ],
)
def test_the_copy_on_a_device_follows_every_write(device: str) -> None:
    rng = np.random.default_rng(0)
    original = np.zeros((9, 3), np.float32)
    mirror = DeviceMirror(original, device)
    for _ in range(5):
        for row in rng.integers(9, size=3).tolist():
            original[row] = rng.random(3)
            mirror.outdated.add(row)
        np.testing.assert_array_equal(mirror.rows().cpu().numpy(), original)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_on_the_gpu_equal_those_on_the_cpu() -> None:
    buffers = [
        make_stratified(capacity=8, offline_share=0.25, device=device) for device in ("cpu", "cuda")
    ]
    for buffer in buffers:
        buffer.load_offline(offline_data())
    for episode in range(1, 6):
        for buffer in buffers:
            fill(buffer, make_episode(10 * episode, episode, 3, Outcome.SUCCESS))
        ours, theirs = (b.sample(np.random.default_rng(episode), 2, 8) for b in buffers)
        assert all(torch.equal(ours[name], theirs[name].cpu()) for name in ours)
