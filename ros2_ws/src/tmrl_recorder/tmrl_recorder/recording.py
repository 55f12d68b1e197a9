"""What goes into which file: the deciding part of the recorder.

It belongs to one thread, which may wait for the disk. Nothing here raises for a disk that refuses:
recording ends, says so, and the session never notices.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tmrl_common.clock import Clock
from tmrl_common.errors import TmrlError
from tmrl_common.storage import sentence_of
from tmrl_recorder.bag_metadata import BagMetadata
from tmrl_recorder.episode_file import EpisodeFile
from tmrl_recorder.file_names import path_of
from tmrl_recorder.params import RecorderConfig
from tmrl_recorder.recovery import recover
from tmrl_recorder.sample import EpisodeSeen, Sample
from tmrl_recorder.topics import is_state

SYNC_PERIOD_S = 0.5
"""Between two syncs: what a kill or a loss of power can cost, with room for a slow disk below 1 s.
"""
_GIGA = 1e9


@dataclass(frozen=True)
class Outside:
    """What a recording asks of the machine.

    Attributes:
        clock: Steady.
        free_bytes: Free space where the recordings are.
        definition: Schema of a type, in the format "ros2msg".
        convert: What is written in the place of a message; None for nothing.
    """

    clock: Clock
    free_bytes: Callable[[], int]
    definition: Callable[[str], bytes]
    convert: Callable[[Sample], Sample | None]


class Recording:
    """Records the episodes of a session, one file each.

    Attributes:
        problem: Why nothing is recorded although it should be; empty while all is well.
        messages: Messages written since the start.
        news: Sentences for the log that nobody has taken yet.
    """

    def __init__(self, folder: Path, config: RecorderConfig, outside: Outside) -> None:
        """Recovers what an earlier process left behind.

        Args:
            folder: Of the recordings; it exists.
            config: See there.
            outside: See there.
        """
        self._folder = folder
        self._config = config
        self._outside = outside
        self._metadata = BagMetadata(folder)
        self._file: EpisodeFile | None = None
        self._seen = EpisodeSeen(0, lasts=False)
        self._ended_s: float | None = None
        self._synced_s = 0.0
        self._standing: dict[str, Sample] = {}
        self._newest_ns = 0
        self._skipped: set[str] = set()
        self.problem = ""
        self.messages = 0
        self.news: list[str] = []
        self._guard(self._recover)

    @property
    def episode(self) -> int:
        """Number of the episode that is being recorded; 0 for none."""
        return self._seen.episode if self._file else 0

    def take(self, sample: Sample) -> None:
        """Writes a message where an episode is being recorded; keeps what still holds for the next.

        An episode begins with what was seen before it: the arm stands still, the scene is laid out.
        """
        self._newest_ns = max(self._newest_ns, sample.received_ns)
        if sample.latched or is_state(sample.kind):
            self._standing[sample.topic] = sample
        if self._file is not None:
            self._guard(lambda: self._write(sample))

    def see(self, seen: EpisodeSeen) -> None:
        """Begins and ends files with the episodes."""
        before, self._seen = self._seen, seen
        if seen.lasts and (not before.lasts or before.episode != seen.episode):
            self._ended_s = None
            if self._file is None or before.episode != seen.episode:
                self._guard(self._finish)
                self._guard(self._begin)
        elif before.lasts and not seen.lasts:
            self._ended_s = self._outside.clock.now_s()

    def tick(self) -> None:
        """Looks after all that depends on time: the disk, the sync, the end of an episode's tail.

        To be called several times per second.
        """
        if self._file is None:
            return
        now_s = self._outside.clock.now_s()
        if self._ended_s is not None and now_s - self._ended_s >= self._config.tail_s:
            self._guard(self._finish)
        elif now_s - self._synced_s >= SYNC_PERIOD_S:
            self._guard(self._sync)

    def close(self) -> None:
        """Finishes the file in progress."""
        self._guard(self._finish)

    def take_news(self) -> list[str]:
        """Returns the sentences for the log, each once."""
        news, self.news = self.news, []
        return news

    def _recover(self) -> None:
        for found in recover(self._folder):
            if found.path is not None:
                self.news.append(
                    f"{found.path.name}: recovered {found.messages} messages of a recording that "
                    "was cut"
                )
        self._metadata.write()

    def _begin(self) -> None:
        if self._too_full():
            return
        self.problem = ""
        self._file = EpisodeFile(
            path_of(self._folder, self._seen.episode), self._outside.definition
        )
        self._synced_s = self._outside.clock.now_s()
        for sample in self._standing.values():
            # It holds now, whenever it came: a file must not begin hours before its episode.
            self._write(replace(sample, received_ns=self._newest_ns))

    def _write(self, sample: Sample) -> None:
        written = self._outside.convert(sample)
        if written is None:
            if sample.topic not in self._skipped:
                self._skipped.add(sample.topic)
                self.news.append(f"{sample.topic} is left out: JPEG cannot hold its pictures")
        elif self._file is not None:
            self._file.write(written)
            self.messages += 1

    def _sync(self) -> None:
        if self._file is not None:
            self._file.sync()
            self._synced_s = self._outside.clock.now_s()
            if self._too_full():
                self._finish()

    def _finish(self) -> None:
        self._ended_s = None
        if self._file is not None:
            file, self._file = self._file, None
            file.finish()
            self._metadata.write()

    def _too_full(self) -> bool:
        free_gb = self._outside.free_bytes() / _GIGA
        if free_gb >= self._config.min_free_gb:
            return False
        self._stop(
            f"{self._folder}: its disk has {free_gb:.1f} GB of free space, and min_free_gb is "
            f"{self._config.min_free_gb:g}: nothing more is recorded, the session continues; free "
            "some room, the next episode is recorded again"
        )
        return True

    def _stop(self, problem: str) -> None:
        if problem.partition(":")[0] != self.problem.partition(":")[0]:
            self.news.append(problem)
        self.problem = problem

    def _guard(self, act: Callable[[], None]) -> None:
        """Does something with the disk; where it refuses, the file is let go as it is."""
        try:
            act()
        except (OSError, TmrlError) as error:
            reason = sentence_of(error, self._folder) or str(error)
            file, self._file = self._file, None
            self._stop(
                f"{self._folder}: {reason}; the recording of episode {self._seen.episode} ends "
                "here, the session continues"
            )
            if file is not None:
                self._let_go(file)

    def _let_go(self, file: EpisodeFile) -> None:
        try:
            file.abandon()
        except OSError:
            # The second refusal of the same disk; what was synced is recovered at the next start.
            self.news.append(f"{file.part.name} is recovered when the recorder starts again")
