"""Normalisation statistics of a data set, from its numbers alone: no image is decoded."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.pi0.demonstrations import Demonstrations
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.rows import EpisodeRows
from tmrl_policies.pi0.inputs.rigs import Rig
from tmrl_policies.pi0.inputs.running_statistics import RunningStatistics
from tmrl_policies.pi0.inputs.statistics import RobotStatistics


def compute_statistics(
    demonstrations: Demonstrations, horizon: int, *, quiet: bool = False
) -> RobotStatistics:
    """Reads a data set once, one file after the other.

    Args:
        demonstrations: The data set.
        horizon: Actions of a chunk; matters only where actions are learned relative to the state
            at the chunk's start.
        quiet: Whether to show no progress bar.

    Raises:
        DatasetError: A file is absent or damaged, or the columns are not the rig's.
    """
    rows = demonstrations.rows("statistics", quiet=quiet)
    return statistics_of((each for _, each in rows), demonstrations.rig, horizon)


def statistics_of(episodes: Iterable[EpisodeRows], rig: Rig, horizon: int) -> RobotStatistics:
    """Statistics of the rows of some episodes.

    Args:
        episodes: Rows of each.
        rig: Whose convention they have.
        horizon: As above.

    Raises:
        DatasetError: There are fewer than two rows.
    """
    state, actions = RunningStatistics(rig.state_dim), RunningStatistics(rig.action_dim)
    for rows in episodes:
        state.update(rows.state)
        actions.update(_learned_actions(rows, rig, horizon))
    try:
        return RobotStatistics(state.finish(), actions.finish())
    except ValueError as error:
        raise DatasetError(f"the data set is too small: {error}; record more") from error


def relative_actions(
    actions: NDArray[np.float32], state: NDArray[np.float32], rig: Rig
) -> NDArray[np.float32]:
    """Actions as they are learned, in raw units.

    Args:
        actions: Shape (..., H, A).
        state: At the start of each chunk, shape (..., S).
        rig: Says which columns are relative to the state.

    Returns:
        The same shape as `actions`.
    """
    columns = rig.relative_columns
    if not columns:
        return actions
    relative = actions.copy()
    relative[..., :columns] -= state[..., None, :columns]
    return relative


def _learned_actions(rows: EpisodeRows, rig: Rig, horizon: int) -> NDArray[np.float32]:
    if not rig.relative_columns:
        return rows.actions
    # What is learned depends on where the chunk starts: every action of every chunk counts.
    last = len(rows.actions) - 1
    wanted = np.minimum(np.arange(last + 1)[:, None] + np.arange(horizon), last)
    chunks = relative_actions(rows.actions[wanted], rows.state, rig)
    return chunks.reshape(-1, rig.action_dim)
