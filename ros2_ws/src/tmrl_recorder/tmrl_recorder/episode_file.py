"""One MCAP file while it is written: readable up to the last sync, whatever ends the process."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mcap.writer import CompressionType, Writer

from tmrl_recorder.offered_qos import offered_qos
from tmrl_recorder.sample import Sample

PART = ".part"
"""Ending of a file that is being written, behind that of its name."""
QOS_KEY = "offered_qos_profiles"
"""Metadata of a channel where rosbag2 looks for its quality of service."""
_CHUNK_BYTES = 256_000
_PROFILE = "ros2"


class EpisodeFile:
    """Writes `<path>.part`, which becomes `<path>` when it is finished."""

    def __init__(self, path: Path, definition: Callable[[str], bytes]) -> None:
        """Begins the file.

        Args:
            path: Of the finished file; neither it nor its part exist.
            definition: Gives the schema of a type, in the format "ros2msg"; empty where there is
                none.

        Raises:
            OSError: The disk refuses.
        """
        self.path = path
        self.part = path.with_name(path.name + PART)
        self._definition = definition
        self._stream = self.part.open("xb")
        self._writer = new_writer(self._stream)
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}

    def write(self, sample: Sample) -> None:
        """Adds a message.

        Raises:
            OSError: The disk refuses.
        """
        self._writer.add_message(
            channel_id=self._channel(sample),
            log_time=sample.received_ns,
            data=sample.data,
            publish_time=sample.sent_ns or sample.received_ns,
        )

    def sync(self) -> None:
        """Puts on the disk what was written so far, as whole chunks.

        Raises:
            OSError: The disk refuses.
        """
        self._writer.flush()
        os.fsync(self._stream.fileno())

    def finish(self) -> None:
        """Writes the index and gives the file its name.

        Raises:
            OSError: The disk refuses; the part stays, and can be recovered.
        """
        try:
            self._writer.finish()
            self._stream.flush()
            os.fsync(self._stream.fileno())
        finally:
            self.abandon()
        self.part.replace(self.path)

    def abandon(self) -> None:
        """Lets go of the file as it is: its part can be recovered up to the last whole chunk.

        Raises:
            OSError: What was still to be written does not fit on the disk.
        """
        self._stream.close()

    def _channel(self, sample: Sample) -> int:
        key = sample.topic, sample.kind
        if key not in self._channels:
            if sample.kind not in self._schemas:
                text = self._definition(sample.kind)
                self._schemas[sample.kind] = self._writer.register_schema(
                    sample.kind, "ros2msg" if text else "", text
                )
            self._channels[key] = self._writer.register_channel(
                sample.topic,
                "cdr",
                self._schemas[sample.kind],
                {QOS_KEY: offered_qos(latched=sample.latched)},
            )
        return self._channels[key]


def new_writer(stream: IO[bytes]) -> Writer:
    """Returns a writer of this house's files, begun.

    Args:
        stream: A file to write to.
    """
    writer = Writer(stream, chunk_size=_CHUNK_BYTES, compression=CompressionType.LZ4)
    writer.start(profile=_PROFILE)
    return writer
