"""A data set as a rig's demonstrations: checked columns, cameras and instructions."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tmrl_learner.pi0.lerobot.columns import ColumnLayout, camera_columns
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode, read_episodes, read_tasks
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.info import DatasetInfo, read_info
from tmrl_learner.pi0.lerobot.rows import EpisodeRows, iterate_rows
from tmrl_policies.pi0.inputs.rigs import Rig

_log = logging.getLogger(__name__)


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
        return [self.tasks[number] for number in sorted(self.tasks) if self.tasks[number].strip()]

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
        silent = 0
        with tqdm(total=len(self.episodes), desc=label, unit="episode", disable=quiet) as bar:
            for episode, rows in iterate_rows(self.episodes, self.layout):
                bar.update()
                self._check_columns(episode, rows)
                if self._has_instruction(episode, rows):
                    yield episode, rows
                else:
                    silent += 1
        if silent == len(self.episodes):
            raise DatasetError(f"{self.info.root}: no episode has an instruction; add them")
        if silent:
            _log.warning(
                "%d of %d episodes have no instruction and are left out", silent, len(self.episodes)
            )

    def _check_columns(self, episode: RecordedEpisode, rows: EpisodeRows) -> None:
        needed = {"state": self.rig.state_dim, "actions": self.rig.action_dim}
        for name, dim in needed.items():
            shape = getattr(rows, name).shape
            if shape[1] != dim:
                raise DatasetError(
                    f"{episode.data_file}: columns.{name}, '{getattr(self.layout, name)}', has "
                    f"shape {shape}; rig '{self.rig.name}' has {dim} numbers "
                    f"({', '.join(getattr(self.rig, name))}): choose another layout"
                )

    def _has_instruction(self, episode: RecordedEpisode, rows: EpisodeRows) -> bool:
        numbers = {int(number) for number in rows.task}
        if unknown := numbers - self.tasks.keys():
            raise DatasetError(
                f"{episode.data_file}: task_index {min(unknown)} of episode {episode.index} is not "
                f"in the list of {len(self.tasks)} instructions in {self.info.root / 'meta'}"
            )
        return bool(numbers) and all(self.tasks[number].strip() for number in numbers)


def open_demonstrations(root: Path, layout: ColumnLayout, rig: Rig) -> Demonstrations:
    """Reads the meta data and checks that the cameras are there.

    Args:
        root: Folder of the data set.
        layout: Where state, actions and images are.
        rig: Whose convention it has.

    Raises:
        DatasetError: The data set is damaged, or lacks a camera of the rig.
    """
    info = read_info(root)
    cameras = camera_columns(layout.cameras)
    if set(cameras) != set(rig.camera_names):
        raise DatasetError(
            f"the layout has the cameras {sorted(cameras)}; rig '{rig.name}' needs "
            f"{sorted(rig.camera_names)}: set columns.cameras to name=column,..."
        )
    for camera, column in cameras.items():
        feature = info.feature(column)
        if feature.dtype not in ("video", "image"):
            raise DatasetError(
                f"{root / 'meta/info.json'}: column '{column}' of camera '{camera}' holds "
                f"{feature.dtype} of shape {feature.shape}; it must be a video or an image"
            )
    videos = [column for column in cameras.values() if info.feature(column).dtype == "video"]
    return Demonstrations(rig, info, read_episodes(info, videos), read_tasks(info), layout)
