"""Every row of a data set as the start of an action chunk."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from tmrl_learner.pi0.demonstrations import Demonstrations
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode
from tmrl_learner.pi0.lerobot.frames import Frames, Pixels


class Sample(NamedTuple):
    """One chunk, in raw units.

    Attributes:
        images: By camera of the rig.
        state: At the chunk's start, shape (S,), float32.
        actions: Shape (H, A), float32; behind the episode's end its last action is repeated.
        inside: Which of them lie inside of the episode, shape (H,), bool.
        prompt: Instruction.
    """

    images: dict[str, Pixels]
    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    inside: NDArray[np.bool_]
    prompt: str


class ChunkSamples(Dataset[Sample]):
    """The chunks of a data set: numbers in memory, images read when they are asked for.

    Args:
        demonstrations: The data set.
        horizon: H, actions of a chunk.
        quiet: Whether to read without a progress bar.

    Raises:
        DatasetError: A file is absent or damaged, or the columns are not the rig's.
    """

    def __init__(
        self, demonstrations: Demonstrations, horizon: int, *, quiet: bool = False
    ) -> None:
        self._horizon = horizon
        self._tasks = demonstrations.tasks
        self._cameras = demonstrations.cameras
        self._frames = Frames(demonstrations.info)
        self._episodes, rows = zip(*demonstrations.rows("reading data", quiet=quiet), strict=True)
        self._state = np.concatenate([each.state for each in rows])
        self._actions = np.concatenate([each.actions for each in rows])
        self._time_s = np.concatenate([each.time_s for each in rows])
        self._task = np.concatenate([each.task for each in rows])
        self._ends = np.cumsum([len(each.state) for each in rows])

    def __len__(self) -> int:
        """Number of chunks: every row of every episode starts one."""
        return len(self._state)

    def __getitem__(self, index: int) -> Sample:
        """Reads one chunk.

        Raises:
            DatasetError: An image is absent or damaged.
        """
        number = int(np.searchsorted(self._ends, index, side="right"))
        episode, end = self._episodes[number], int(self._ends[number])
        wanted = index + np.arange(self._horizon)
        row, time_s = index - (end - episode.rows), float(self._time_s[index])
        images = {
            camera: self._frames.read(episode, column, row, time_s)
            for camera, column in self._cameras.items()
        }
        return Sample(
            images=images,
            state=self._state[index],
            actions=self._actions[np.minimum(wanted, end - 1)],
            inside=wanted < end,
            prompt=self._tasks[int(self._task[index])],
        )

    @property
    def episodes(self) -> Sequence[RecordedEpisode]:
        """Those that are used."""
        return self._episodes

    def steps_inside(self, indices: Sequence[int]) -> int:
        """How many actions of these chunks lie inside of their episodes, without reading them."""
        starts = np.asarray(indices)
        ends = self._ends[np.searchsorted(self._ends, starts, side="right")]
        return int(np.minimum(ends - starts, self._horizon).sum())

    def sha256(self) -> str:
        """Hash of all numbers that are learned from, hexadecimal; images are not part of it."""
        digest = hashlib.sha256()
        for array in (self._state, self._actions, self._time_s, self._task, self._ends):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
