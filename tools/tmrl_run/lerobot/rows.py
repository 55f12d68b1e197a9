"""The rows of an episode: what was seen before each control step, and what was commanded."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tmrl_agent.messages import arm_reading, objects_reading
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome
from tmrl_ros.conversion import nanoseconds
from tmrl_ros.recordings import messages, topics_in
from tmrl_run.errors import RunError
from tmrl_run.run_folder import RunFolder

_NANO = 1_000_000_000
_EARLY_NS = 1_000_000
"""A state of the same instant may carry a stamp that is rounded otherwise."""


@dataclass(frozen=True)
class Episode:
    """N rows of one episode.

    Attributes:
        number: Of the episode in the run.
        task: Its instruction.
        outcome: Its label.
        state: Shape (N, S), float32, raw units: what the policy calls proprioception.
        context: Shape (N, C), float32, raw units: the positions of objects that the policy is
            given; C is 0 for one that looks at images.
        actions: Shape (N, A), float32, raw units: what was commanded after all limits.
        sigma: Of the chunk that each row belongs to, shape (N,).
        driver: Who commanded each row, shape (N,), a `tmrl_common.chunks.Driver`.
        stamp_s: ROS time at which each row begins, shape (N,), float64.
        pictures: Of each camera, N of them as they were recorded; decoded, they would fill the
            memory.
    """

    number: int
    task: str
    outcome: Outcome
    state: NDArray[np.float32]
    context: NDArray[np.float32]
    actions: NDArray[np.float32]
    sigma: NDArray[np.float32]
    driver: NDArray[np.int64]
    stamp_s: NDArray[np.float64]
    pictures: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def __len__(self) -> int:
        return len(self.state)


@dataclass(frozen=True)
class Source:
    """What rows are made of.

    Attributes:
        run: Where the session was.
        task: Instruction of episodes that have none; empty for none.
        cameras: Names of the cameras to take; None for all that were recorded.
    """

    run: RunFolder
    task: str = ""
    cameras: tuple[str, ...] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the state's values.

        Raises:
            RunError: The configuration does not say.
        """
        fields = self.run.value("agent", "proprio_fields", None)
        if not isinstance(fields, list) or not fields:
            raise RunError(f"{self.run.path}/config.yaml: agent.proprio_fields names no values")
        return tuple(map(str, fields))

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the context's values; empty for a policy that looks at images."""
        return tuple(map(str, self.run.value("agent", "context_objects", None) or ()))


def episode_of(
    source: Source, number: int, chunks: Sequence[Transition], outcome: Outcome, paths: list[Path]
) -> Episode:
    """Joins the chunks of an episode with its recordings.

    Args:
        source: See there.
        number: Of the episode.
        chunks: Its transitions, in order.
        outcome: Its label.
        paths: Its recordings.

    Raises:
        RunError: Something is missing; the text says what.
    """
    moved = [each for each in chunks if len(each.executed_actions)]
    if not moved:
        raise RunError("nothing moved in it")
    if any(len(each.step_ends_ns) != len(each.executed_actions) for each in moved):
        raise RunError("its journal does not say when each step ended")
    if not paths:
        raise RunError("it was not recorded")
    period_ns = round(_NANO / source.run.control_rate_hz)
    begins_ns = np.concatenate([_begins_ns(each, period_ns) for each in moved])
    seen = _Seen.read(source, paths)
    lengths = [len(each.executed_actions) for each in moved]
    task = next((each.prompt for each in moved if each.prompt), source.task)
    if not task:
        raise RunError('the policy was given no instruction: name one with --task "..."')
    return Episode(
        number=number,
        task=task,
        outcome=outcome,
        state=np.array([seen.state(source, ns) for ns in begins_ns.tolist()], np.float32),
        context=np.array([seen.context(source, ns) for ns in begins_ns.tolist()], np.float32),
        actions=np.concatenate([each.executed_actions for each in moved]),
        sigma=np.repeat(np.array([each.sigma for each in moved], np.float32), lengths),
        driver=np.concatenate([each.driver for each in moved]).astype(np.int64),
        stamp_s=begins_ns / _NANO,
        pictures={
            camera: [series.at(ns, f"camera {camera}") for ns in begins_ns.tolist()]
            for camera, series in seen.cameras.items()
        },
    )


def _begins_ns(chunk: Transition, period_ns: int) -> NDArray[np.int64]:
    """When each step of a chunk began, shape (steps,).

    The last one ends with the episode, which may be before its period is over.
    """
    ends_ns = chunk.step_ends_ns
    earliest_ns = np.concatenate([[chunk.observation_stamp_ns], ends_ns[:-1]])
    return np.maximum(ends_ns - period_ns, earliest_ns)


class _Series:
    """Values by their stamps."""

    def __init__(self) -> None:
        self._stamps_ns: list[int] = []
        self._values: list[Any] = []

    def add(self, stamp_ns: int, value: Any) -> None:
        place = bisect_right(self._stamps_ns, stamp_ns)
        self._stamps_ns.insert(place, stamp_ns)
        self._values.insert(place, value)

    def at(self, stamp_ns: int, what: str) -> Any:
        """The newest value that is not younger than a stamp."""
        place = bisect_right(self._stamps_ns, stamp_ns + _EARLY_NS)
        if not place:
            raise RunError(f"its recording has nothing of {what} before its first step")
        return self._values[place - 1]


class _Seen:
    """Arm and pictures of one episode."""

    def __init__(self) -> None:
        self._arm = _Series()
        self._objects = _Series()
        self.cameras: dict[str, _Series] = {}

    @classmethod
    def read(cls, source: Source, paths: list[Path]) -> "_Seen":
        seen = cls()
        arm_topic = f"/{source.run.robot}/arm/state"
        objects_topic = f"/{source.run.robot}/perception/objects"
        by_topic = _camera_topics(source, paths)
        for camera in by_topic.values():
            seen.cameras[camera] = _Series()
        for topic, message in messages(paths, {arm_topic, objects_topic, *by_topic}):
            if topic == arm_topic:
                reading = arm_reading(message, 0.0)
                seen._arm.add(reading.stamp_ns, reading.values)
            elif topic == objects_topic:
                objects = objects_reading(message, 0.0)
                seen._objects.add(objects.stamp_ns, objects.values)
            else:
                seen.cameras[by_topic[topic]].add(nanoseconds(message.header.stamp), message)
        return seen

    def state(self, source: Source, stamp_ns: int) -> list[float]:
        values = self._arm.at(stamp_ns, "arm/state")
        missing = [name for name in source.fields if name not in values]
        if missing:
            raise RunError(f"the arm has no {missing[0]}, which agent.proprio_fields names")
        return [values[name] for name in source.fields]

    def context(self, source: Source, stamp_ns: int) -> list[float]:
        if not source.objects:
            return []
        values = self._objects.at(stamp_ns, "perception/objects")
        missing = [name for name in source.objects if name not in values]
        if missing:
            raise RunError(f"no object has {missing[0]}, which agent.context_objects names")
        return [values[name] for name in source.objects]


def _camera_topics(source: Source, paths: list[Path]) -> dict[str, str]:
    """Name of the camera by its topic in the recordings."""
    prefix, found = f"/{source.run.robot}/camera/", dict[str, str]()
    for path in paths:
        for topic, kind in topics_in(path).items():
            name, _, rest = topic.removeprefix(prefix).partition("/")
            is_picture = kind in ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
            if topic.startswith(prefix) and is_picture and rest.startswith("image"):
                found[topic] = name
    if source.cameras is None:
        return found
    if absent := set(source.cameras) - set(found.values()):
        raise RunError(f"its recording has no camera {sorted(absent)[0]}")
    return {topic: name for topic, name in found.items() if name in source.cameras}
