"""A LeRobot data set as what a rig's agent would have seen and a person would have driven."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tmrl_agent.images import capped
from tmrl_agent.params import AgentConfig
from tmrl_common.types import FloatArray, Observation, Outcome
from tmrl_learner.pi0.lerobot.columns import ColumnLayout
from tmrl_learner.pi0.lerobot.episodes import RecordedEpisode, read_episodes, read_tasks
from tmrl_learner.pi0.lerobot.frames import Frames
from tmrl_learner.pi0.lerobot.info import DatasetInfo, read_info
from tmrl_learner.pi0.lerobot.rows import EpisodeRows, iterate_rows
from tmrl_run.errors import RunError
from tmrl_run.lerobot.action_columns import ACTION_COLUMNS
from tmrl_run.lerobot.dataset import CONTEXT, video_key

STATE, ACTIONS = "observation.state", "action"
DRIVER, STAMP = "driver", "stamp_s"
_OF_EXPORTS = {"sigma", "outcome", DRIVER, STAMP}
"""Columns that tell a data set of `./tmrl export` from one that happens to have one of them."""
_RATE_TOLERANCE = 0.02
"""30 Hz and television's 29.97 Hz are the same."""
_OUTCOMES = {each.name.lower(): each for each in Outcome if each is not Outcome.PENDING}


@dataclass(frozen=True)
class Demonstration:
    """One episode, without its pictures.

    Attributes:
        recorded: Where it lies.
        outcome: How it ended.
        rows: Its numbers.
    """

    recorded: RecordedEpisode
    outcome: Outcome
    rows: EpisodeRows

    @property
    def number(self) -> int:
        """Of the episode in the data set."""
        return self.recorded.index

    @property
    def driver(self) -> NDArray[np.int64] | None:
        """Who commanded each row, shape (N,); None where the data set does not say."""
        column = self.rows.also.get(DRIVER)
        return None if column is None else column[:, 0].astype(np.int64)

    @property
    def stamp_s(self) -> NDArray[np.float64]:
        """When each row began, shape (N,)."""
        column = self.rows.also.get(STAMP)
        return self.rows.time_s if column is None else column[:, 0]


class DemonstrationSet:
    """A data set whose columns, cameras and rate are those of a rig.

    Args:
        root: Its folder.
        agent: What the rig's agent observes.
        rate_hz: The rig's control steps per second.
        all_successful: Whether every episode solved the task, where the data set does not say.

    Raises:
        DatasetError: The data set is damaged, or has no episodes.
        RunError: It is another rig's, or does not say how its episodes ended.
    """

    def __init__(
        self, root: Path, agent: AgentConfig, rate_hz: float, *, all_successful: bool
    ) -> None:
        self.root = root
        self._agent = agent
        self._info = info = read_info(root)
        self._cameras = _camera_columns(info, agent.cameras)
        _check_rate(info, rate_hz)
        self._check_names(STATE, "agent.proprio_fields", agent.proprio_fields)
        if agent.context_objects:
            self._check_names(CONTEXT, "agent.context_objects", agent.context_objects)
        videos = [name for name in self._cameras.values() if info.dtype(name) == "video"]
        self.episodes = read_episodes(info, videos)
        self._outcomes = _outcomes(info, self.episodes, all_successful=all_successful)
        self._tasks = read_tasks(info)
        self._check_tasks()
        self._frames = Frames(info)

    @property
    def sha256(self) -> str:
        """Hash of the columns and of the list of episodes, hexadecimal."""
        digest = hashlib.sha256((self.root / "meta/info.json").read_bytes())
        listed = [(each.index, each.rows, self._outcomes[each.index]) for each in self.episodes]
        digest.update(str(listed).encode())
        return digest.hexdigest()

    def read(self, is_wanted: Callable[[int], bool]) -> Iterator[Demonstration | None]:
        """Reads one episode after the other.

        Args:
            is_wanted: Whether an episode of that number is wanted.

        Yields:
            Each episode; None for what is not wanted, or has another instruction than the rig's.

        Raises:
            DatasetError: A file is absent or damaged.
            RunError: A column has another size than the rig's.
        """
        ours = self._info.features.keys() >= _OF_EXPORTS
        pairs = iterate_rows(
            self.episodes,
            ColumnLayout(STATE, ACTIONS, ""),
            self._info.fps_hz,
            lambda episode, task: is_wanted(episode.index) and self._has_our_task(task),
            (CONTEXT, DRIVER, STAMP) if ours else (CONTEXT,),
        )
        for episode, rows in pairs:
            if rows is None:
                yield None
                continue
            self._check_sizes(episode, rows)
            yield Demonstration(episode, self._outcomes[episode.index], rows)

    def observation(self, demonstration: Demonstration, row: int) -> Observation:
        """What the rig's agent would have sent to the policy server at the start of a row.

        Raises:
            DatasetError: A picture is absent or damaged.
        """
        rows, longest_px = demonstration.rows, self._agent.max_image_px
        time_s = float(rows.time_s[row])
        return Observation(
            proprio=rows.state[row],
            context=self._context(rows)[row],
            images={
                camera: capped(
                    self._frames.read(demonstration.recorded, column, row, time_s), longest_px
                )
                for camera, column in self._cameras.items()
            },
            prompt=self._agent.prompt,
        )

    def _context(self, rows: EpisodeRows) -> FloatArray:
        if not self._agent.context_objects:
            return np.zeros((len(rows.state), 0), np.float32)
        return rows.also[CONTEXT].astype(np.float32)

    def _has_our_task(self, task: NDArray[np.int64]) -> bool:
        return all(self._is_our_task(self._tasks.get(int(number), "")) for number in set(task))

    def _is_our_task(self, text: str) -> bool:
        """Whether an instruction is the rig's, as far as both say what it is."""
        ours = self._agent.prompt.strip()
        return not ours or text.strip() in ("", ours)

    def _check_names(self, column: str, setting: str, wanted: Sequence[str]) -> None:
        """Refuses a column that says by name that its numbers are others, or in another order."""
        if column not in self._info.features:
            raise RunError(
                f"{self.root} has no column {column}, which must hold what {setting} names "
                f"({', '.join(wanted)}); add it, or export the run again"
            )
        self._info.dtype(column)
        names = self._info.features[column].get("names")
        if not isinstance(names, list) or not set(map(str, names)) & set(wanted):
            return
        if names != list(wanted):
            raise RunError(
                f"{self.root}: {column} holds {', '.join(map(str, names))}, and {setting} is "
                f"{', '.join(wanted)}: import with the rig that these data are from"
            )

    def _check_tasks(self) -> None:
        texts = sorted({text.strip() for text in self._tasks.values()})
        if texts and not any(self._is_our_task(text) for text in texts):
            raise RunError(
                f"{self.root} has the instructions {', '.join(map(repr, texts))}, and agent.prompt "
                f"is {self._agent.prompt!r}; give the session the instruction of its "
                "demonstrations, agent.prompt:=..., if it is the same task"
            )

    def _check_sizes(self, episode: RecordedEpisode, rows: EpisodeRows) -> None:
        widths = {
            (STATE, "agent.proprio_fields"): (rows.state.shape[1], len(self._agent.proprio_fields)),
            (ACTIONS, "agent.action_space"): (rows.actions.shape[1], self._action_dim),
        }
        if objects := self._agent.context_objects:
            context = rows.also.get(CONTEXT, np.zeros((0, 0)))
            widths[CONTEXT, "agent.context_objects"] = (context.shape[1], len(objects))
        for (column, setting), (width, wanted) in widths.items():
            if width != wanted:
                raise RunError(
                    f"{episode.data_file}, episode {episode.index}: {column} has {width} numbers, "
                    f"and {setting} asks for {wanted}: import with the rig that these data are from"
                )

    @property
    def _action_dim(self) -> int:
        space = self._agent.action_space
        if space not in ACTION_COLUMNS:
            known = ", ".join(ACTION_COLUMNS)
            raise RunError(f"agent.action_space is {space!r}; known are {known}")
        return len(ACTION_COLUMNS[space])


def _camera_columns(info: DatasetInfo, cameras: Sequence[str]) -> dict[str, str]:
    columns = {camera: video_key(camera) for camera in cameras}
    for camera, column in columns.items():
        kind = info.dtype(column) if column in info.features else "nothing"
        if kind not in ("video", "image"):
            there = [name for name in info.features if name.startswith(video_key(""))]
            raise RunError(
                f"{info.root} has {kind} in {column}, where pictures of the camera {camera!r} "
                f"(agent.cameras) must be; it has {', '.join(there) or 'no pictures'}: name the "
                "column after the rig's camera"
            )
    return columns


def _check_rate(info: DatasetInfo, rate_hz: float) -> None:
    if abs(info.fps_hz - rate_hz) > _RATE_TOLERANCE * rate_hz:
        raise RunError(
            f"{info.root} has {info.fps_hz:g} rows per second, and controller.control_rate_hz is "
            f"{rate_hz:g}: an action would last {1 / rate_hz:.3g} s instead of "
            f"{1 / info.fps_hz:.3g} s; resample the data, or import with the rig that they are from"
        )


def _outcomes(
    info: DatasetInfo, episodes: Sequence[RecordedEpisode], *, all_successful: bool
) -> dict[int, Outcome]:
    """How each episode ended."""
    known = ", ".join(_OUTCOMES)
    if all_successful:
        if said := [each for each in episodes if each.outcome]:
            raise RunError(
                f"{info.root} says in its list of episodes how they ended (episode "
                f"{said[0].index}: {said[0].outcome}); leave --all-successful out"
            )
        return dict.fromkeys((each.index for each in episodes), Outcome.SUCCESS)
    for each in episodes:
        if not each.outcome:
            raise RunError(
                f"{info.root} does not say how episode {each.index} ended; give --all-successful "
                f"if every episode solved the task, or add outcome ({known}) to the list of "
                "episodes in meta"
            )
        if each.outcome not in _OUTCOMES:
            raise RunError(
                f"{info.root} says that episode {each.index} ended as {each.outcome!r}; it must "
                f"be one of {known}"
            )
    return {each.index: _OUTCOMES[each.outcome] for each in episodes}
