"""The folder that an import fills: finished episodes one by one, and all of them at the end.

An episode counts once its record is there. The learner takes what is joined at the end, so an
import that was interrupted is no offline data yet, and continues where it stopped.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from tmrl_common.storage import prepare_folder, refusals
from tmrl_learner.offline_data import (
    STEM,
    OfflineData,
    OfflineOrigin,
    OfflineSegments,
    joined,
    load_offline,
    save_offline,
)
from tmrl_run.errors import RunError

_EPISODES = "episodes"
_PREFIX = "episode_"
_SHOWN = 12


class HalfFinished:
    """What an import has done so far.

    Args:
        out: Folder to be filled; made if absent.

    Attributes:
        out: See above.

    Raises:
        RunError: An import has finished there, or something else lies there.
        StorageError: The disk refuses.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._episodes = out / _EPISODES
        if (out / f"{STEM}.json").exists():
            raise RunError(f"{out} is there already; name another folder, or remove it")
        if out.exists() and (not out.is_dir() or not all(map(_is_ours, out.iterdir()))):
            raise RunError(f"{out} holds something else; name a folder that is not there yet")

    @property
    def numbers(self) -> Collection[int]:
        """Numbers of the finished episodes, ascending."""
        found = self._episodes.glob(f"{_PREFIX}*.json")
        return sorted(int(path.stem.removeprefix(_PREFIX)) for path in found)

    def begin(self, origin: OfflineOrigin) -> None:
        """Makes the folder, or sees to it that what is there was made of and for the same.

        Raises:
            RunError: It was begun otherwise; names what differs.
            StorageError: The disk refuses.
        """
        prepare_folder(self._episodes, room_mb=100)
        for number in list(self.numbers)[:1]:
            before = load_offline(self._stem(number)).origin
            for name, ours in vars(origin).items():
                if ours != (theirs := getattr(before, name)):
                    raise RunError(
                        f"{self.out} was begun with {name} = {_short(theirs)}, and it would "
                        f"continue with {_short(ours)}: give what it was begun with, or another "
                        "folder"
                    )

    def add(self, number: int, data: OfflineData) -> None:
        """Keeps an episode.

        Raises:
            StorageError: The disk refuses; what was added before is whole.
        """
        with refusals(self.out):
            save_offline(self._stem(number), data)

    def finish(self, origin: OfflineOrigin) -> OfflineSegments:
        """Joins all episodes into what the learner takes.

        Raises:
            RunError: There are none.
            StorageError: The disk refuses; the episodes are kept.
        """
        parts = [load_offline(self._stem(number)).segments for number in self.numbers]
        if not parts:
            raise RunError("no episode of the data set has a segment that could be learned from")
        segments = joined(parts)
        with refusals(self.out):
            save_offline(self.out / STEM, OfflineData(origin, segments))
            shutil.rmtree(self._episodes)
        return segments

    def _stem(self, number: int) -> Path:
        return self._episodes / f"{_PREFIX}{number:06d}"


def _is_ours(path: Path) -> bool:
    """Whether an import made it, as far as its name tells."""
    return path.name == _EPISODES or path.name.startswith(f"{STEM}.")


def _short(value: object) -> str:
    """A value for a sentence; of a hash its beginning."""
    text = str(value)
    return text[:_SHOWN] if len(text) == 64 else repr(value)
