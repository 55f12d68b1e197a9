"""What a run in one process keeps on disk, and how it resumes from there.

The learner and the loop are saved in one checkpoint: both are always of the same moment.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmrl_common.errors import ConfigError
from tmrl_common.storage import prepare_folder
from tmrl_common.types import Outcome, SteeringSource
from tmrl_experiments.inprocess.loop import EpisodeSummary, InProcessLoop
from tmrl_learner.errors import ResumeError
from tmrl_learner.session import LearnerSession, ShellState, holds_checkpoint

_CHECKPOINT = "checkpoint"


def open_run_directory(folder: Path, *, resume: bool) -> None:
    """Makes the folder of a new run, or sees to it that there is one to resume.

    A checkpoint counts also where only a part of it is left: `RunDirectory.load` then names what
    is missing.

    Args:
        folder: Of the run.
        resume: Whether it is to be resumed.

    Raises:
        ConfigError: It holds a run that is not to be resumed, or none that could be.
        StorageError: It cannot be written, or its disk has too little room.
    """
    started = holds_checkpoint(folder / _CHECKPOINT)
    if started and not resume:
        raise ConfigError(
            f"{folder} holds a run already; resume it with --resume, or choose another --run-dir"
        )
    if resume and not started:
        raise ConfigError(
            f"{folder} holds no checkpoint to resume; check the name, or leave --resume out to "
            "begin a run there"
        )
    prepare_folder(folder)


class RunDirectory:
    """Checkpoints of one run.

    Args:
        folder: Of the run; the checkpoint is kept in `checkpoint/` below it.
        arguments: What the run was started with beyond the learner's configuration; a run resumes
            with the same values only.
    """

    def __init__(self, folder: Path, arguments: Mapping[str, Any]) -> None:
        self._folder = folder / _CHECKPOINT
        self._arguments = dict(arguments)

    def save(
        self,
        session: LearnerSession,
        loop: InProcessLoop,
        episodes: Sequence[EpisodeSummary],
        wall_s: float,
    ) -> None:
        """Writes everything from which the run continues bit-equal, atomically.

        Args:
            session: The learner.
            loop: Between two episodes.
            episodes: All until now.
            wall_s: Wall time that they took, s.

        Raises:
            OSError: The disk refused; the older checkpoint is whole.
        """
        loop_state = loop.state()
        metadata = {
            "arguments": self._arguments,
            "loop": loop_state.metadata,
            "episodes": [dataclasses.asdict(episode) for episode in episodes],
            "wall_s": wall_s,
        }
        session.save(self._folder, ShellState(loop_state.tensors, metadata))

    def load(
        self, session: LearnerSession, loop: InProcessLoop
    ) -> tuple[list[EpisodeSummary], float]:
        """Restores what `save` wrote.

        Returns:
            The episodes until then, and the wall time that they took, s.

        Raises:
            CheckpointError: The checkpoint is absent or damaged.
            ResumeError: It belongs to a run with other arguments or another configuration.
        """
        shell = session.load(self._folder)
        theirs = shell.metadata["arguments"]
        for name, mine in self._arguments.items():
            # A run may be older than an argument.
            if theirs.get(name, mine) != mine:
                raise ResumeError(
                    f"the run in {self._folder.parent} was started with {name} = "
                    f"{theirs[name]}, not with {mine}; resume with the same or choose another "
                    "--run-dir"
                )
        loop.load_state(ShellState(shell.tensors, shell.metadata["loop"]))
        episodes = [_episode(values) for values in shell.metadata["episodes"]]
        return episodes, shell.metadata["wall_s"]


def _episode(values: Mapping[str, Any]) -> EpisodeSummary:
    outcome, source = Outcome(values["outcome"]), SteeringSource(values["source"])
    return dataclasses.replace(EpisodeSummary(**values), outcome=outcome, source=source)
