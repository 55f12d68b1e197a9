"""A small run as a session leaves it: configuration, journal, ledger and recordings, for tests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from geometry_msgs.msg import Pose
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from tmrl_agent.events import EpisodeLabel
from tmrl_agent.journal import Journal
from tmrl_common.testing.transition_examples import example_transition
from tmrl_common.transitions import Transition, origin_of
from tmrl_common.types import Outcome, SteeringSource
from tmrl_msgs.msg import ArmState, ObjectPoses
from tmrl_recorder.episode_file import EpisodeFile
from tmrl_recorder.file_names import path_of
from tmrl_recorder.pictures import jpeg_of
from tmrl_recorder.sample import Sample
from tmrl_ros.conversion import stamp_of_nanoseconds
from tmrl_ros.message_definitions import message_definition

RATE_HZ = 5.0
STEPS = 3
"""Control steps of each chunk."""
FIELDS = ("tool_x", "tool_y", "gripper_opening")
CAMERAS = ("overview", "wrist")
SIDE_PX = 32
_PERIOD_NS = round(1e9 / RATE_HZ)
_NANO = 1_000_000_000
_AFTER = {Outcome.SUCCESS: "terminated", Outcome.ABORTED: "aborted"}


@dataclass(frozen=True)
class SmallRun:
    """What to write.

    Attributes:
        outcomes: Label of each episode.
        chunks: Of each episode.
        prompt: Of every chunk.
        recorded: Whether there are recordings.
        cameras: Names of the recorded cameras.
        objects: Names of the objects that the policy is given the positions of, along x.
        early_end: Whether the last step of each episode ends as it begins, as a success ends it.
    """

    outcomes: Sequence[Outcome] = (Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.DISCARDED)
    chunks: int = 4
    prompt: str = "put the carrot in the pot"
    recorded: bool = True
    cameras: Sequence[str] = CAMERAS
    objects: Sequence[str] = ()
    early_end: bool = False


def brightness(episode: int, row: int) -> int:
    """That of every picture of a row."""
    return (40 * episode + 9 * row) % 250


def position_m(episode: int, row: int) -> float:
    """Of the tool along x, before a row's step."""
    return 0.1 * episode + 0.001 * row


def object_m(episode: int, row: int, place: int) -> float:
    """Position of an object along x, by its place among the objects, before a row's step."""
    return 0.2 * (place + 1) + 0.01 * episode + 0.0001 * row


def write_small_run(path: Path, what: SmallRun = SmallRun()) -> Path:
    """Writes a run; returns its folder."""
    path.mkdir(parents=True)
    config = {
        "rig": "widowx",
        "robot": "widowx",
        "simulated": False,
        "controller": {"control_rate_hz": RATE_HZ, "action_space": "bridge_delta_ee_7"},
        "agent": {
            "session": path.name,
            "proprio_fields": list(FIELDS),
            "context_objects": [f"{name}.x" for name in what.objects],
        },
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    ledger: list[dict[str, Any]] = []
    with Journal(path / "journal.sqlite", "widowx", path.name) as journal:
        for number, outcome in enumerate(what.outcomes, start=1):
            chunks = _chunks(path.name, number, outcome, what, journal.last_sequence)
            stamp_ns = int(chunks[-1].step_ends_ns[-1])
            label = EpisodeLabel(number, outcome, stamp_ns, 0, "operator", "ada")
            journal.append(chunks, label)
            ledger += _ledger_lines(label, stamp_ns - what.chunks * STEPS * _PERIOD_NS)
            if what.recorded:
                _record(path / "recordings", number, chunks, what)
    text = "".join(json.dumps(line) + "\n" for line in ledger)
    (path / "episodes.jsonl").write_text(text)
    return path


def _chunks(
    session: str, episode: int, outcome: Outcome, what: SmallRun, last: int
) -> list[Transition]:
    found: list[Transition] = []
    for chunk in range(what.chunks):
        row, ends = chunk * STEPS, chunk == what.chunks - 1
        by_person = chunk == 1 and episode == 2
        driver = np.full(STEPS, int(by_person), np.uint8)
        begin_ns = episode * 100 * _NANO + row * _PERIOD_NS
        step_ends_ns = begin_ns + _PERIOD_NS * np.arange(1, STEPS + 1, dtype=np.int64)
        if ends and what.early_end:
            step_ends_ns[-1] -= _PERIOD_NS
        found.append(
            example_transition(
                last + 1 + chunk,
                session=session,
                episode=episode,
                chunk=chunk,
                sigma=0.0 if by_person else min(1.0, 0.1 * episode + 0.05 * chunk),
                steering=SteeringSource.NONE if by_person else SteeringSource.ACTOR,
                executed_actions=(
                    episode + 0.01 * np.arange(row, row + STEPS)[:, None] * np.ones(7)
                ).astype(np.float32),
                driver=driver,
                origin=origin_of(driver),
                prompt=what.prompt,
                step_ends_ns=step_ends_ns,
                observation_stamp_ns=begin_ns,
                clamped=chunk == 2,
                episode_outcome=outcome if ends else Outcome.PENDING,
                **({_AFTER.get(outcome, "truncated"): True} if ends else {}),
            )
        )
    return found


def _ledger_lines(label: EpisodeLabel, started_ns: int) -> list[dict[str, Any]]:
    return [
        {"event": "started", "episode": label.episode, "stamp_ns": started_ns},
        {"event": "asked", "request": "pause", "author": "ada", "refused": ""},
        {
            "event": "labelled",
            "episode": label.episode,
            "outcome": label.outcome.name,
            "stamp_ns": label.stamp_ns,
            "source": "operator",
            "detail": "ada",
            "revision": 0,
            "author": "ada",
            "wall_time_s": 1.8e9 + 60.0 * label.episode,
        },
    ]


def _record(folder: Path, episode: int, chunks: Sequence[Transition], what: SmallRun) -> None:
    folder.mkdir(exist_ok=True)
    file = EpisodeFile(path_of(folder, episode), message_definition)
    rows = len(chunks) * STEPS
    first_ns = int(chunks[0].step_ends_ns[0]) - _PERIOD_NS
    for row in range(rows + 1):
        stamp_ns = first_ns + row * _PERIOD_NS
        state = ArmState(robot="widowx", sequence=row + 1, gripper_opening=0.5)
        state.header.stamp = stamp_of_nanoseconds(stamp_ns)
        state.x_base_tool.position.x = position_m(episode, row)
        state.x_base_tool.orientation.w = 1.0
        _put(file, "/widowx/arm/state", "tmrl_msgs/msg/ArmState", state, stamp_ns)
        if what.objects:
            poses = _poses(what.objects, episode, row, stamp_ns)
            kind = "tmrl_msgs/msg/ObjectPoses"
            _put(file, "/widowx/perception/objects", kind, poses, stamp_ns)
        for camera in what.cameras:
            jpeg = jpeg_of(_image(brightness(episode, row), stamp_ns), 95)
            topic = f"/widowx/camera/{camera}/image/compressed"
            _put(file, topic, "sensor_msgs/msg/CompressedImage", jpeg, stamp_ns)
    file.finish()


def _poses(names: Sequence[str], episode: int, row: int, stamp_ns: int) -> ObjectPoses:
    message = ObjectPoses(names=list(names))
    message.header.stamp = stamp_of_nanoseconds(stamp_ns)
    message.poses = [Pose() for _ in names]
    for place, pose in enumerate(message.poses):
        pose.position.x = object_m(episode, row, place)
    return message


def _image(value: int, stamp_ns: int) -> Image:
    pixels: NDArray[np.uint8] = np.full((SIDE_PX, SIDE_PX, 3), value, np.uint8)
    image = Image(height=SIDE_PX, width=SIDE_PX, step=3 * SIDE_PX, encoding="rgb8")
    image.data = pixels.tobytes()
    image.header.stamp = stamp_of_nanoseconds(stamp_ns)
    return image


def _put(file: EpisodeFile, topic: str, kind: str, message: Any, stamp_ns: int) -> None:
    file.write(Sample(topic, kind, serialize_message(message), stamp_ns, stamp_ns))
