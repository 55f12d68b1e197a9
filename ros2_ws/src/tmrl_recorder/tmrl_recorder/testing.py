"""What tests of recordings share: a process that records, numbered samples, pictures of cameras."""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image

from tmrl_common.clock import SteadyClock
from tmrl_recorder.episode_file import EpisodeFile
from tmrl_recorder.file_names import path_of
from tmrl_recorder.params import RecorderConfig
from tmrl_recorder.pictures import JPEG_KIND, jpeg_of
from tmrl_recorder.recording import Outside, Recording
from tmrl_recorder.sample import EpisodeSeen, Sample
from tmrl_recorder.writer_thread import WriterThread
from tmrl_ros.conversion import stamp_of_nanoseconds
from tmrl_ros.message_definitions import message_definition
from tmrl_ros.recordings import cdr_of

TOPIC = "/widowx/numbers"
KIND = "std_msgs/msg/UInt64"
_HEAD = b"\x00\x01\x00\x00"
"""Encapsulation of little-endian CDR."""


def definition(kind: str) -> bytes:
    """Returns that of the numbers; of all other types none."""
    return b"uint64 data\n" if kind == KIND else b""


def numbered(
    number: int, received_ns: int, topic: str = TOPIC, *, latched: bool = False, kind: str = KIND
) -> Sample:
    """Returns a message that holds a number, whatever its type claims."""
    data = _HEAD + number.to_bytes(8, "little")
    return Sample(topic, kind, data, received_ns, received_ns, latched)


def number_of(data: bytes) -> int:
    """Returns the number that a message holds."""
    return int.from_bytes(data[4:12], "little")


def record_pictures(
    folder: Path, episode: int, cameras: Sequence[str], stamps_s: Sequence[float]
) -> Path:
    """Writes a recording in which each camera's picture brightens by 10 from one to the next.

    Args:
        folder: Of the recordings; is made.
        episode: Its number.
        cameras: The first one has pictures of 64 by 48, each other one of 48 by 48.
        stamps_s: ROS time of the pictures; they all come within an instant.

    Returns:
        The file.
    """
    folder.mkdir(exist_ok=True)
    path = path_of(folder, episode)
    file = EpisodeFile(path, message_definition)
    for number, stamp_s in enumerate(stamps_s):
        for camera in cameras:
            width = 64 if camera == cameras[0] else 48
            pixels = np.full((48, width, 3), 10 * number, np.uint8)
            image = Image(height=48, width=width, step=3 * width, encoding="rgb8")
            image.data = pixels.tobytes()
            image.header.stamp = stamp_of_nanoseconds(round(1e9 * stamp_s))
            data = cdr_of(jpeg_of(image, 95))
            topic = f"/widowx/camera/{camera}/image/compressed"
            file.write(Sample(topic, JPEG_KIND, data, number + 1))
    file.finish()
    return path


def record_for_ever(folder: Path) -> None:
    """Records numbers as fast as 2 kHz and prints each one with its time, until it is killed."""
    config = RecorderConfig(robot="widowx", session="s", run_dir=str(folder.parent))
    outside = Outside(
        clock=SteadyClock(),
        free_bytes=lambda: shutil.disk_usage(folder).free,
        definition=definition,
        convert=lambda sample: sample,
    )
    writer = WriterThread(lambda: Recording(folder, config, outside), 10**8)
    writer.put(EpisodeSeen(1, lasts=True))
    number = 0
    while True:
        number += 1
        now_ns = time.time_ns()
        writer.put(numbered(number, now_ns))
        sys.stdout.write(f"{number} {now_ns}\n")
        sys.stdout.flush()
        writer.check()
        time.sleep(0.0005)


if __name__ == "__main__":
    record_for_ever(Path(sys.argv[1]))
