"""The numbers of a data set, episode by episode: state, actions, time and instruction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.pi0.lerobot.columns import ColumnLayout, ColumnPart, column_parts
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.parquet import Table, read_columns

_INDEX = ("episode_index", "timestamp", "task_index")


@dataclass(frozen=True)
class EpisodeRows:
    """N rows of one episode.

    Attributes:
        state: Shape (N, S), float32, raw units.
        actions: Shape (N, A), float32, raw units.
        time_s: Since the episode's start, shape (N,), float64.
        task: Number of the instruction of each row, shape (N,), int64.
    """

    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    time_s: NDArray[np.float64]
    task: NDArray[np.int64]


def iterate_rows(
    episodes: Sequence[RecordedEpisode], layout: ColumnLayout
) -> Iterator[tuple[RecordedEpisode, EpisodeRows]]:
    """Reads one data file after the other, and only the columns needed.

    Args:
        episodes: Which, in the order of their numbers.
        layout: Columns of state and actions.

    Yields:
        Each episode with its rows.

    Raises:
        DatasetError: A file is absent or damaged, a column is not what the layout says, or the
            rows are not those of the episode.
    """
    state, actions = column_parts(layout.state), column_parts(layout.actions)
    columns = list(dict.fromkeys([*_INDEX, *(part.column for part in (*state, *actions))]))
    for path, group in groupby(episodes, key=lambda episode: episode.data_file):
        table = read_columns(path, columns)
        whole = EpisodeRows(
            state=_vector(table, state).astype(np.float32),
            actions=_vector(table, actions).astype(np.float32),
            time_s=table.numbers("timestamp")[:, 0],
            task=table.numbers("task_index")[:, 0].astype(np.int64),
        )
        owner = table.numbers("episode_index")[:, 0]
        for episode in group:
            part = slice(episode.first_row, episode.first_row + episode.rows)
            _check_owner(path, owner[part], episode)
            yield (
                episode,
                EpisodeRows(
                    whole.state[part], whole.actions[part], whole.time_s[part], whole.task[part]
                ),
            )


def _vector(table: Table, parts: Sequence[ColumnPart]) -> NDArray[np.float64]:
    pieces: list[NDArray[np.float64]] = []
    for part in parts:
        values = table.numbers(part.column)
        if part.stop > values.shape[1]:
            raise DatasetError(
                f"{table.path}: column '{part.column}' has shape {values.shape}; entries up to "
                f"{part.stop} were asked for: choose another layout"
            )
        stop = values.shape[1] if part.stop < 0 else part.stop
        pieces.append(values[:, part.start : stop])
    return np.concatenate(pieces, axis=1)


def _check_owner(path: Path, owner: NDArray[np.float64], episode: RecordedEpisode) -> None:
    if len(owner) != episode.rows or (owner != episode.index).any():
        found = sorted({int(index) for index in owner})
        raise DatasetError(
            f"{path}: rows {episode.first_row} to {episode.first_row + episode.rows - 1} should "
            f"be episode {episode.index}; there are {len(owner)} rows, of the episodes {found}: "
            "the meta folder belongs to other data"
        )
