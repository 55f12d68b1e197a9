"""What tests of recordings share: a process that records, and samples that say their number."""

import shutil
import sys
import time
from pathlib import Path

from tmrl_common.clock import SteadyClock
from tmrl_recorder.params import RecorderConfig
from tmrl_recorder.recording import Outside, Recording
from tmrl_recorder.sample import EpisodeSeen, Sample
from tmrl_recorder.writer_thread import WriterThread

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
