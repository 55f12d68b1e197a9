"""Everything that is judged of a data set before anything is learned from it, in one call."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmrl_learner.pi0.demonstrations import Demonstrations, open_demonstrations
from tmrl_learner.pi0.lerobot.columns import ColumnLayout
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.looks import look_at_images
from tmrl_learner.pi0.lerobot.rows import EpisodeRows
from tmrl_learner.pi0.statistics import statistics_of
from tmrl_policies.pi0.inputs.rigs import Rig
from tmrl_policies.pi0.inputs.statistics import RobotStatistics


@dataclass(frozen=True)
class DatasetReport:
    """What a data set is, once nothing speaks against learning from it.

    Attributes:
        demonstrations: Its meta data.
        episodes: Number of episodes that are used.
        rows: Number of their rows.
        statistics: Of their state and actions, raw units.
        warnings: Sentences about what can be learned from and is odd all the same.
    """

    demonstrations: Demonstrations
    episodes: int
    rows: int
    statistics: RobotStatistics
    warnings: tuple[str, ...]


def check_dataset(
    root: Path,
    layout: ColumnLayout,
    rig: Rig,
    *,
    rate_hz: float = 0.0,
    horizon: int = 0,
    quiet: bool = False,
) -> DatasetReport:
    """Judges a data set as fine-tuning does at its start: meta data, all numbers, some images.

    Args:
        root: Folder of the data set.
        layout: Where state, actions and images are.
        rig: Whose convention it has.
        rate_hz: Rows per second where another rate than the rig's is meant; 0 for the rig's.
        horizon: Actions of a chunk, which matters for the statistics of relative actions; 0 for
            the rig's usual one.
        quiet: Whether to show no progress bars.

    Raises:
        DatasetError: Nothing can be learned from it; names the file, the value and the remedy.
    """
    demonstrations = open_demonstrations(root, layout, rig, rate_hz=rate_hz)
    used: list[RecordedEpisode] = []

    def rows() -> Iterator[EpisodeRows]:
        for episode, each in demonstrations.rows("reading data", quiet=quiet):
            used.append(episode)
            yield each

    statistics = statistics_of(rows(), rig, horizon or rig.horizon)
    look_at_images(demonstrations.info, demonstrations.cameras, used, quiet=quiet)
    silent = len(demonstrations.episodes) - len(used)
    warnings = (
        f"{silent} of {len(demonstrations.episodes)} episodes have no instruction and are left out",
    )
    return DatasetReport(
        demonstrations=demonstrations,
        episodes=len(used),
        rows=sum(episode.rows for episode in used),
        statistics=statistics,
        warnings=warnings if silent else (),
    )
