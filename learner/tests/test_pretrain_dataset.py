"""Demonstrations become chunks: every row counts, no chunk leaks into the next episode."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_learner.pretrain.dataset import (
    DemonstrationError,
    DemonstrationSet,
    cut_chunks,
    load_demonstrations,
    split_episodes,
)


def _demonstrations(lengths: list[int]) -> DemonstrationSet:
    """Row i moves by (i + 1, i + 1) and sets the gripper to its episode's number."""
    rows = sum(lengths)
    episode = np.repeat(np.arange(len(lengths)), lengths)
    moves = np.arange(1, rows + 1)
    ends = np.cumsum(lengths)
    return DemonstrationSet(
        proprio=np.zeros((rows, 5), dtype=np.float32),
        context=np.zeros((rows, 4), dtype=np.float32),
        actions=np.stack([moves, moves, episode], axis=1).astype(np.float32),
        episode_starts=(ends - lengths).astype(np.int64),
        episode_lengths=np.array(lengths, dtype=np.int64),
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 8))
def test_a_chunk_repeats_the_recording_and_then_holds(lengths: list[int], horizon: int) -> None:
    demonstrations = _demonstrations(lengths)
    chunks = cut_chunks(demonstrations, horizon).actions.numpy()
    assert len(chunks) == sum(lengths)
    ends = np.repeat(np.cumsum(lengths), lengths)
    for row, chunk in enumerate(chunks):
        recorded = demonstrations.actions[row : min(row + horizon, ends[row])]
        np.testing.assert_array_equal(chunk[: len(recorded)], recorded)
        held = chunk[len(recorded) :]
        assert not held[:, :-1].any()
        assert (held[:, -1] == recorded[-1, -1]).all()


@given(st.lists(st.integers(1, 9), min_size=2, max_size=20), st.floats(0.01, 0.99))
def test_a_split_never_cuts_an_episode(lengths: list[int], fraction: float) -> None:
    demonstrations = _demonstrations(lengths)
    training, validation = split_episodes(demonstrations, fraction, seed=0)
    assert sorted([*training, *validation]) == list(range(sum(lengths)))
    episode = np.repeat(np.arange(len(lengths)), lengths)
    assert not set(episode[training]) & set(episode[validation])
    assert len(training) > 0
    assert len(validation) > 0


def test_a_file_round_trip(tmp_path: Path) -> None:
    written = _demonstrations([3, 1])
    np.savez(tmp_path / "demos.npz", attempts=np.int64(2), **vars(written))
    assert load_demonstrations(tmp_path / "demos.npz").sha256() == written.sha256()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DemonstrationError, match=r"gone\.npz"):
        load_demonstrations(tmp_path / "gone.npz")
    np.savez(tmp_path / "half.npz", proprio=np.zeros((3, 5)))
    with pytest.raises(DemonstrationError, match="context"):
        load_demonstrations(tmp_path / "half.npz")
    values = vars(_demonstrations([3])) | {"episode_lengths": np.array([2])}
    np.savez(tmp_path / "short.npz", **values)
    with pytest.raises(DemonstrationError, match="do not tile the 3 rows"):
        load_demonstrations(tmp_path / "short.npz")
    values = vars(_demonstrations([3])) | {"actions": np.full((3, 3), np.nan)}
    np.savez(tmp_path / "nan.npz", **values)
    with pytest.raises(DemonstrationError, match="'actions' holds values that are not finite"):
        load_demonstrations(tmp_path / "nan.npz")
