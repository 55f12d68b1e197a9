"""Messages in MCAP files, decoded."""

import contextlib
import io
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mcap.reader import make_reader
from numpy.typing import NDArray
from PIL import Image as Pillow
from rclpy.serialization import deserialize_message, serialize_message

from tmrl_common.errors import LocalError
from tmrl_ros.raw_topics import class_of

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""


class RecordingError(LocalError):
    """A recording cannot be read, or lacks what is asked of it; the text says what to do."""


def topics_in(path: Path) -> dict[str, str]:
    """Type of each topic in a recording.

    Raises:
        RecordingError: It is damaged.
    """
    with _damage(path), path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    if summary is None:
        raise RecordingError(f"{path} has no index; the recorder makes one when it starts again")
    return {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()}


def messages(paths: Iterable[Path], topics: set[str]) -> Iterator[tuple[str, Any]]:
    """Yields topic and message of some topics, in the order of their arrival.

    Raises:
        RecordingError: A recording is damaged.
    """
    for path in paths:
        with _damage(path), path.open("rb") as stream:
            reader = make_reader(stream, validate_crcs=True)
            for schema, channel, message in reader.iter_messages(topics=topics):
                if schema is not None:
                    yield channel.topic, deserialize_message(message.data, class_of(schema.name))


@contextlib.contextmanager
def _damage(path: Path) -> Generator[None]:
    """Turns what a damaged file causes into one sentence."""
    try:
        yield
    except RecordingError:
        raise
    except Exception as error:
        # Lengths, compression, checksums and messages fail in as many ways as there are.
        raise RecordingError(
            f"{path} is damaged ({error}); restore it from a copy, or delete it"
        ) from error


def cdr_of(message: Any) -> bytes:
    """A message as it is recorded."""
    return serialize_message(message)


def pixels_of(message: Any) -> Pixels:
    """A recorded picture as it was seen.

    Args:
        message: sensor_msgs/CompressedImage, or Image of rgb8, bgr8 or mono8.

    Raises:
        RecordingError: It is of another encoding, or damaged.
    """
    if hasattr(message, "format"):
        try:
            with Pillow.open(io.BytesIO(bytes(message.data))) as picture:
                return np.asarray(picture.convert("RGB"), np.uint8)
        except OSError as error:
            raise RecordingError(f"a picture cannot be decoded: {error}") from error
    channels = {"rgb8": 3, "bgr8": 3, "mono8": 1}.get(message.encoding)
    if channels is None:
        raise RecordingError(f"a picture has the encoding '{message.encoding}'; rgb8 is read")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    pixels = pixels[:, :, ::-1] if message.encoding == "bgr8" else pixels
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
