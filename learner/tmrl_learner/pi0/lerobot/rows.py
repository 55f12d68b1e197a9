"""The numbers of a data set, episode by episode: state, actions, time and instruction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmrl_learner.pi0.lerobot.columns import ColumnLayout, ColumnPart, column_parts
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.order import check_order, check_times
from tmrl_learner.pi0.lerobot.parquet import Table, read_columns

_OWNER, _TIME, _TASK, _ORDER = "episode_index", "timestamp", "task_index", "frame_index"


@dataclass(frozen=True)
class EpisodeRows:
    """N rows of one episode.

    Attributes:
        state: Shape (N, S), float32, raw units.
        actions: Shape (N, A), float32, raw units.
        time_s: Since the episode's start, shape (N,), float64.
        task: Number of the instruction of each row, shape (N,), int64.
        also: Further columns, each of shape (N, D).
    """

    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    time_s: NDArray[np.float64]
    task: NDArray[np.int64]
    also: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])


IsWanted = Callable[[RecordedEpisode, NDArray[np.int64]], bool]
"""Whether an episode is used, from the numbers of its rows' instructions."""


def iterate_rows(
    episodes: Sequence[RecordedEpisode],
    layout: ColumnLayout,
    fps_hz: float,
    is_wanted: IsWanted,
    also: Sequence[str] = (),
) -> Iterator[tuple[RecordedEpisode, EpisodeRows | None]]:
    """Reads one data file after the other, and judges only the numbers that are used.

    Args:
        episodes: Which, in the order of their numbers.
        layout: Columns of state and actions.
        fps_hz: Rows per second.
        is_wanted: Says which episodes are used.
        also: Further columns of numbers, read where a data file has them.

    Yields:
        Each episode with its rows; None for what is not wanted.

    Raises:
        DatasetError: A file is absent or damaged, a column is not what the layout says, the rows
            are not those of the episode or not in their order, or a number is not finite.
    """
    state, actions = column_parts(layout.state), column_parts(layout.actions)
    vectors = (part.column for part in (*state, *actions))
    columns = list(dict.fromkeys([_OWNER, _TIME, _TASK, *vectors]))
    for path, group in groupby(episodes, key=lambda episode: episode.data_file):
        table = read_columns(path, columns, where_there=[_ORDER, *also])
        owner = table.numbers(_OWNER, slice(0, table.length), "the file")[:, 0]
        counts = dict(zip(*np.unique(owner, return_counts=True), strict=True))
        for episode in group:
            _check_owner(path, owner, int(counts.get(episode.index, 0)), episode)
            part = _Part(table, episode)
            task = part.numbers(ColumnPart(_TASK))[:, 0].astype(np.int64)
            if not is_wanted(episode, task):
                yield episode, None
                continue
            if _ORDER in table.columns:
                check_order(part.where, part.numbers(ColumnPart(_ORDER))[:, 0])
            time_s = part.numbers(ColumnPart(_TIME))[:, 0]
            check_times(part.where, time_s, fps_hz)
            yield (
                episode,
                EpisodeRows(
                    state=part.vector(state),
                    actions=part.vector(actions),
                    time_s=time_s,
                    task=task,
                    also={n: part.numbers(ColumnPart(n)) for n in also if n in table.columns},
                ),
            )


class _Part:
    """The rows of one episode in a table."""

    def __init__(self, table: Table, episode: RecordedEpisode) -> None:
        self._table = table
        self._rows = slice(episode.first_row, episode.first_row + episode.rows)
        self._whose = f"episode {episode.index}"
        self.where = f"{table.path}, {self._whose}"

    def vector(self, parts: Sequence[ColumnPart]) -> NDArray[np.float32]:
        return np.concatenate([self.numbers(part) for part in parts], axis=1).astype(np.float32)

    def numbers(self, part: ColumnPart) -> NDArray[np.float64]:
        values = self._table.numbers(part.column, self._rows, self._whose)
        if part.stop > values.shape[1]:
            raise DatasetError(
                f"{self.where}: column '{part.column}' has shape {values.shape}; entries up to "
                f"{part.stop} were asked for: choose another layout"
            )
        wanted = values[:, part.start : values.shape[1] if part.stop < 0 else part.stop]
        limit = np.finfo(np.float32).max
        bad = np.flatnonzero(~(np.abs(wanted) <= limit).all(axis=1))
        if len(bad):
            raise DatasetError(
                f"{self.where}: column '{part.column}' has {wanted[bad[0]].tolist()} in row "
                f"{bad[0]}; all numbers must be finite: leave the episode out or repair it"
            )
        return wanted


def _check_owner(
    path: Path, owner: NDArray[np.float64], count: int, episode: RecordedEpisode
) -> None:
    mine = owner[episode.first_row : episode.first_row + episode.rows]
    if len(mine) != episode.rows or (mine != episode.index).any() or count != episode.rows:
        found = sorted({int(index) for index in mine if np.isfinite(index)})
        raise DatasetError(
            f"{path}: rows {episode.first_row} to {episode.first_row + episode.rows - 1} should "
            f"be episode {episode.index}; there are {len(mine)} rows, of the episodes {found}, and "
            f"{count} rows of episode {episode.index} in the file: the meta folder belongs to "
            "other data"
        )
