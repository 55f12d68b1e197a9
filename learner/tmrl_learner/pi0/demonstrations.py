"""A data set as a rig's demonstrations: checked columns, cameras and instructions."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_learner.pi0.lerobot.columns import ColumnLayout, camera_columns
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode, read_episodes, read_tasks
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.info import DatasetInfo, read_info
from tmrl_learner.pi0.lerobot.rows import EpisodeRows, iterate_rows
from tmrl_policies.pi0.inputs.rigs import Rig

_log = logging.getLogger(__name__)
_RATE_TOLERANCE = 0.02
"""30 Hz and television's 29.97 Hz are the same."""


@dataclass(frozen=True)
class Demonstrations:
    """What is known of a data set before its rows are read.

    Attributes:
        rig: Whose convention it has.
        info: Version, rate, columns.
        episodes: In the order of their numbers.
        tasks: Instructions by number.
        layout: Where state, actions and images are.
    """

    rig: Rig
    info: DatasetInfo
    episodes: list[RecordedEpisode]
    tasks: dict[int, str]
    layout: ColumnLayout

    @property
    def cameras(self) -> dict[str, str]:
        """Column of each camera of the rig."""
        return camera_columns(self.layout.cameras)

    def instructions(self) -> list[str]:
        """Those that say something, in the order of their numbers."""
        return [self.tasks[number] for number in sorted(self.tasks) if self.tasks[number]]

    def rows(
        self, label: str, *, quiet: bool = False
    ) -> Iterator[tuple[RecordedEpisode, EpisodeRows]]:
        """Reads the numbers of every episode that has an instruction, with a progress bar.

        Args:
            label: What the bar says.
            quiet: Whether to show none.

        Raises:
            DatasetError: A file is absent or damaged, the columns are not the rig's, an
                instruction is unknown, or no episode has one.
        """
        used = 0
        pairs = iterate_rows(self.episodes, self.layout, self.info.fps_hz, self._has_instruction)
        with tqdm(total=len(self.episodes), desc=label, unit="episode", disable=quiet) as bar:
            for episode, rows in pairs:
                bar.update()
                if rows is not None:
                    self._check_columns(episode, rows)
                    used += 1
                    yield episode, rows
        if not used:
            raise DatasetError(f"{self.info.root}: no episode has an instruction; add them")
        if silent := len(self.episodes) - used:
            _log.warning(
                "%d of %d episodes have no instruction and are left out", silent, len(self.episodes)
            )

    def _check_columns(self, episode: RecordedEpisode, rows: EpisodeRows) -> None:
        needed = {"state": self.rig.state_dim, "actions": self.rig.action_dim}
        for name, dim in needed.items():
            shape = getattr(rows, name).shape
            if shape[1] != dim:
                raise DatasetError(
                    f"{episode.data_file}, episode {episode.index}: columns.{name}, "
                    f"'{getattr(self.layout, name)}', has shape {shape}; rig "
                    f"'{self.rig.name}' has {dim} numbers "
                    f"({', '.join(getattr(self.rig, name))}): choose another layout"
                )

    def _has_instruction(self, episode: RecordedEpisode, task: NDArray[np.int64]) -> bool:
        numbers = {int(number) for number in task}
        if unknown := numbers - self.tasks.keys():
            raise DatasetError(
                f"{episode.data_file}: task_index {min(unknown)} of episode {episode.index} is not "
                f"in the list of {len(self.tasks)} instructions in {self.info.root / 'meta'}"
            )
        return all(self.tasks[number] for number in numbers)


def open_demonstrations(
    root: Path, layout: ColumnLayout, rig: Rig, *, rate_hz: float = 0.0
) -> Demonstrations:
    """Reads the meta data and checks that the cameras and the rate are the rig's.

    Args:
        root: Folder of the data set.
        layout: Where state, actions and images are.
        rig: Whose convention it has.
        rate_hz: Rows per second where another rate than the rig's is meant; 0 for the rig's.

    Raises:
        DatasetError: The data set is damaged, lacks a camera of the rig, or has another rate.
    """
    info = read_info(root)
    cameras = camera_columns(layout.cameras)
    if set(cameras) != set(rig.camera_names):
        raise DatasetError(
            f"the layout has the cameras {sorted(cameras)}; rig '{rig.name}' needs "
            f"{sorted(rig.camera_names)}: set columns.cameras to name=column,..."
        )
    kinds = {column: info.dtype(column) for column in cameras.values()}
    for camera, column in cameras.items():
        if kinds[column] not in ("video", "image"):
            raise DatasetError(
                f"{root / 'meta/info.json'}: column '{column}' of camera '{camera}' holds "
                f"{kinds[column]}; it must be a video or an image"
            )
    _check_rate(info, rig, rate_hz)
    videos = [column for column, kind in kinds.items() if kind == "video"]
    return Demonstrations(rig, info, read_episodes(info, videos), read_tasks(info), layout)


def _check_rate(info: DatasetInfo, rig: Rig, rate_hz: float) -> None:
    """A chunk says where the arm is to be at each of its steps; their duration is nowhere in it."""
    wanted_hz = rate_hz or rig.rate_hz
    if abs(info.fps_hz - wanted_hz) > _RATE_TOLERANCE * wanted_hz:
        asked = "data_rate_hz" if rate_hz else f"rig '{rig.name}'"
        raise DatasetError(
            f"{info.root} has {info.fps_hz:g} rows per second, {asked} {wanted_hz:g}; served at "
            f"the rig's rate, {rig.rate_hz:g} Hz, an action would last {1 / rig.rate_hz:.3g} s "
            f"instead of {1 / info.fps_hz:.3g} s. Resample the data; or, if the arm is to run at "
            f"the data's rate, --set data_rate_hz={info.fps_hz:g}, and the same control_rate_hz "
            "of the controller"
        )
