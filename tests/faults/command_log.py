"""The log of what reached the arm: appended to by the recorder, read by the judge.

Messages are written as they came (CDR), each behind a short header, so that the recorder costs the
session next to nothing. A record that its writer did not finish is left out.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_HEADER = struct.Struct("<BqI")
TOPICS = (
    ("arm/command", "ArmCommand"),
    ("arm/state", "ArmState"),
    ("policy/chunk", "ActionChunk"),
    ("controller/outcome", "ChunkOutcome"),
    ("replay/transitions", "Transition"),
)
"""Topics and their types; a record holds its topic's index."""


@dataclass(frozen=True)
class Command:
    """One ArmCommand; fields as in the message.

    Attributes:
        position_m: Shape (3,), m.
        quaternion_xyzw: Shape (4,).
    """

    sequence: int
    stamp_ns: int
    moves: bool
    arm_state_sequence: int = 0
    position_m: Vector = field(default_factory=lambda: np.zeros(3))
    quaternion_xyzw: Vector = field(default_factory=lambda: np.array((0.0, 0.0, 0.0, 1.0)))
    gripper: float = 0.0
    duration_s: float = 0.0
    valid_for_s: float = 0.0


@dataclass(frozen=True)
class State:
    """One ArmState; fields as in the message."""

    sequence: int
    stamp_ns: int
    last_command: int
    holding: bool
    position_m: Vector = field(default_factory=lambda: np.zeros(3))
    quaternion_xyzw: Vector = field(default_factory=lambda: np.array((0.0, 0.0, 0.0, 1.0)))
    gripper: float = 0.0


class ChunkKey(NamedTuple):
    """A chunk of an agent's life."""

    epoch: str
    sequence: int


@dataclass(frozen=True)
class Chunk:
    """One ActionChunk; fields as in the message."""

    key: ChunkKey
    episode: int
    number: int
    arm_state_sequence: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """One ChunkOutcome of the policy's; fields as in the message."""

    key: ChunkKey
    steps: int
    started_ns: int


@dataclass(frozen=True)
class Announced:
    """One Transition as it was published."""

    sequence: int
    content_hash: str


@dataclass
class CommandLog:
    """What was heard during the life of one session, each in the order of its arrival."""

    commands: list[Command] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    announced: list[Announced] = field(default_factory=list)


def write(stream: io.BufferedIOBase, topic: int, received_ns: int, data: bytes) -> None:
    """Appends a message.

    Args:
        stream: Of the file.
        topic: Its index in TOPICS.
        received_ns: When it came, by this machine's steady clock, ns.
        data: CDR with its encapsulation header.
    """
    stream.write(_HEADER.pack(topic, received_ns, len(data)) + data)


def frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole records of a log: index of the topic, and the message."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        while len(header := stream.read(_HEADER.size)) == _HEADER.size:
            topic, _, size = _HEADER.unpack(header)
            if len(data := stream.read(size)) < size:
                return
            yield topic, data


def read(path: Path) -> CommandLog:
    """A log as values; empty where there is none."""
    from rclpy.serialization import deserialize_message

    from tmrl_msgs import msg

    log = CommandLog()
    classes = [getattr(msg, name) for _, name in TOPICS]
    take = (_take_command, _take_state, _take_chunk, _take_outcome, _take_transition)
    for topic, data in frames(path):
        take[topic](log, deserialize_message(data, classes[topic]))
    return log


def _take_command(log: CommandLog, message: Any) -> None:
    position_m, quaternion = _pose(message.x_base_tool)
    log.commands.append(
        Command(
            sequence=message.sequence,
            stamp_ns=_ns(message.header.stamp),
            moves=message.mode != message.HOLD,
            arm_state_sequence=message.arm_state_sequence,
            position_m=position_m,
            quaternion_xyzw=quaternion,
            gripper=message.gripper_opening,
            duration_s=message.duration_s,
            valid_for_s=message.valid_for_s,
        )
    )


def _take_state(log: CommandLog, message: Any) -> None:
    position_m, quaternion = _pose(message.x_base_tool)
    log.states.append(
        State(
            sequence=message.sequence,
            stamp_ns=_ns(message.header.stamp),
            last_command=message.last_command_sequence,
            holding=message.holding,
            position_m=position_m,
            quaternion_xyzw=quaternion,
            gripper=message.gripper_command,
        )
    )


def _take_chunk(log: CommandLog, message: Any) -> None:
    key = ChunkKey(message.agent_epoch, message.sequence)
    seen = message.arm_state_sequence
    log.chunks.append(Chunk(key, message.episode, message.chunk, seen, message.seed))


def _take_outcome(log: CommandLog, message: Any) -> None:
    if message.origin == message.ORIGIN_POLICY:
        key = ChunkKey(message.agent_epoch, message.sequence)
        log.outcomes.append(Outcome(key, message.steps, _ns(message.started)))


def _take_transition(log: CommandLog, message: Any) -> None:
    log.announced.append(Announced(message.sequence, message.content_hash))


def _pose(pose: Any) -> tuple[Vector, Vector]:
    p, q = pose.position, pose.orientation
    return np.array((p.x, p.y, p.z)), np.array((q.x, q.y, q.z, q.w))


def _ns(stamp: Any) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec
