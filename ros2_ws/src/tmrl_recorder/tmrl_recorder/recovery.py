"""Makes a readable file of one that was cut, as by a kill, a crash or a loss of power."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader

from tmrl_common.storage import refusals
from tmrl_recorder.episode_file import PART, new_writer

RECOVERING = ".recovering"
"""Ending of the new file until it is whole."""
LARGEST_RECORD_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Recovered:
    """A file that was cut, and what became of it.

    Attributes:
        path: The readable file; None where the cut file held nothing that was not known.
        messages: How many it holds.
    """

    path: Path | None
    messages: int


def recover(folder: Path) -> list[Recovered]:
    """Recovers every cut file of a folder; may itself be interrupted and begun again.

    Args:
        folder: Of the recordings; nobody writes there.

    Raises:
        StorageError: The disk refuses; the cut files are still there.
    """
    with refusals(folder):
        for left in folder.glob(f"*{RECOVERING}"):
            left.unlink()
        return [_recover(part) for part in sorted(folder.glob(f"*{PART}"))]


def _recover(part: Path) -> Recovered:
    path = part.with_name(part.name.removesuffix(PART))
    if path.exists():
        # A recovery was interrupted after its last step but one.
        part.unlink()
        return Recovered(None, 0)
    temporary = path.with_name(path.name + RECOVERING)
    with part.open("rb") as source, temporary.open("wb") as stream:
        messages = _copy(readable_records(source), stream)
        stream.flush()
        os.fsync(stream.fileno())
    if messages:
        temporary.replace(path)
    else:
        temporary.unlink()
    part.unlink()
    return Recovered(path if messages else None, messages)


def readable_records(source: IO[bytes]) -> Iterator[Schema | Channel | Message]:
    """Yields the records of a file up to the first that is cut or damaged.

    Args:
        source: A file that may have been cut.
    """
    reader = StreamReader(source, validate_crcs=True, record_size_limit=LARGEST_RECORD_BYTES)
    records = reader.records
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 - a cut file fails in as many ways as there are fields
            # The length, the compression or the checksum of a chunk: nothing behind it is known.
            return
        if isinstance(record, Schema | Channel | Message):
            yield record


def _copy(records: Iterator[Schema | Channel | Message], stream: IO[bytes]) -> int:
    """Writes records into a new file; returns how many messages there were."""
    writer = new_writer(stream)
    schemas: dict[int, int] = {0: 0}
    channels: dict[int, int] = {}
    messages = 0
    for record in records:
        if isinstance(record, Schema):
            if record.id not in schemas:
                schemas[record.id] = writer.register_schema(
                    record.name, record.encoding, record.data
                )
        elif isinstance(record, Channel):
            if record.id not in channels:
                channels[record.id] = writer.register_channel(
                    record.topic,
                    record.message_encoding,
                    schemas[record.schema_id],
                    record.metadata,
                )
        else:
            writer.add_message(
                channel_id=channels[record.channel_id],
                log_time=record.log_time,
                data=record.data,
                publish_time=record.publish_time,
                sequence=record.sequence,
            )
            messages += 1
    writer.finish()
    return messages
