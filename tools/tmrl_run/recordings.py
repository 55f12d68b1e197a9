"""Messages of an episode's recordings, decoded."""

import contextlib
import io
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mcap.reader import make_reader
from numpy.typing import NDArray
from PIL import Image as Pillow
from rclpy.serialization import deserialize_message

from tmrl_recorder.file_names import episode_of, finished
from tmrl_ros.raw_topics import class_of
from tmrl_run.errors import RunError

Pixels = NDArray[np.uint8]
"""Shape (height, width, 3), RGB."""


def recordings_of(folder: Path) -> dict[int, list[Path]]:
    """The finished recordings of each episode, in the order in which they were made."""
    found: dict[int, list[Path]] = defaultdict(list)
    for path in finished(folder):
        number = episode_of(path)
        if number is not None:
            found[number].append(path)
    return dict(found)


def topics_in(path: Path) -> dict[str, str]:
    """Type of each topic in a recording.

    Raises:
        RunError: It is damaged.
    """
    with _damage(path), path.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    if summary is None:
        raise RunError(f"{path} has no index; the recorder makes one when it starts again")
    return {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()}


def messages(paths: Iterable[Path], topics: set[str]) -> Iterator[tuple[str, Any]]:
    """Yields topic and message of some topics, in the order of their arrival.

    Raises:
        RunError: A recording is damaged.
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
    except RunError:
        raise
    except Exception as error:
        # Lengths, compression, checksums and messages fail in as many ways as there are.
        raise RunError(
            f"{path} is damaged ({error}); restore it from a copy, or delete it"
        ) from error


def pixels_of(message: Any) -> Pixels:
    """A recorded picture as it was seen.

    Args:
        message: sensor_msgs/CompressedImage, or Image of rgb8, bgr8 or mono8.

    Raises:
        RunError: It is of another encoding, or damaged.
    """
    if hasattr(message, "format"):
        try:
            with Pillow.open(io.BytesIO(bytes(message.data))) as picture:
                return np.asarray(picture.convert("RGB"), np.uint8)
        except OSError as error:
            raise RunError(f"a picture cannot be decoded: {error}") from error
    channels = {"rgb8": 3, "bgr8": 3, "mono8": 1}.get(message.encoding)
    if channels is None:
        raise RunError(f"a picture has the encoding '{message.encoding}'; rgb8 is read")
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels].reshape(message.height, message.width, channels)
    pixels = pixels[:, :, ::-1] if message.encoding == "bgr8" else pixels
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
