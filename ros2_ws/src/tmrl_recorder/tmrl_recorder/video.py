"""One video of an episode from its recordings: the cameras side by side, in the robot's time.

`python -m tmrl_recorder.video RECORDINGS EPISODE` makes it and prints where it is.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as Pillow

from tmrl_common.errors import LocalError
from tmrl_common.storage import refusals
from tmrl_recorder.file_names import recordings_of, unfinished_video_of, video_of
from tmrl_recorder.topics import is_picture
from tmrl_ros.conversion import to_seconds
from tmrl_ros.recordings import Pixels, RecordingError, messages, pixels_of, topics_in

RATE_HZ = 15
_HEIGHT = 240
_LONGEST_GAP_S = 10.0
"""Where nothing was recorded for longer, the video skips it."""
_POLITE = 10
"""A person waits for the video, the arm for nothing of it: everything else comes first."""


def make_video(folder: Path, episode: int) -> Path:
    """Returns the video of an episode, made unless there is one as new as the recordings.

    Args:
        folder: Of the recordings; the video lies beside them.
        episode: Its number.

    Raises:
        RecordingError: There is no finished recording, it is damaged, or shows no camera.
        StorageError: The disk refuses.
    """
    paths = recordings_of(folder).get(episode)
    if not paths:
        raise RecordingError(f"episode {episode} has no finished recording in {folder}")
    video = video_of(folder, episode)
    if video.exists() and video.stat().st_mtime >= max(path.stat().st_mtime for path in paths):
        return video
    topics = {t for path in paths for t, kind in topics_in(path).items() if is_picture(kind)}
    if not topics:
        raise RecordingError(
            f"the recording of episode {episode} shows no camera: leave recorder.images at jpeg"
        )
    with refusals(folder):
        beside = unfinished_video_of(folder, episode, os.getpid())
        try:
            _encode(beside, _side_by_side(paths, topics))
            beside.replace(video)
        finally:
            beside.unlink(missing_ok=True)
    return video


def _side_by_side(paths: Iterable[Path], topics: set[str]) -> Iterator[Pixels]:
    """Pictures at the video's rate: of each camera the newest one, by the time on the pictures."""
    newest: dict[str, Pixels] = {}
    due_s: float | None = None
    for topic, message in messages(paths, topics):
        newest[topic] = _panel(pixels_of(message), newest.get(topic))
        if len(newest) < len(topics):
            continue
        now_s = to_seconds(message.header.stamp)
        if due_s is None or now_s - due_s > _LONGEST_GAP_S:
            due_s = now_s
        while due_s <= now_s:
            yield np.concatenate([newest[name] for name in sorted(newest)], axis=1)
            due_s += 1.0 / RATE_HZ


def _panel(pixels: Pixels, before: Pixels | None) -> Pixels:
    """A picture at the video's height; one that changes its shape is squeezed into the first's."""
    rows, columns = pixels.shape[:2]
    width = before.shape[1] if before is not None else 2 * round(_HEIGHT * columns / rows / 2)
    scaled = Pillow.fromarray(pixels).resize((max(2, width), _HEIGHT))
    return np.asarray(scaled, np.uint8)


def _encode(path: Path, pictures: Iterator[Pixels]) -> None:
    first = next(pictures, None)
    if first is None:
        raise RecordingError(f"a camera of {path.parent} has sent no picture: nothing to show")
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE_HZ))
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "26", "preset": "veryfast", "threads": "1"}
        container.mux(stream.encode(av.VideoFrame.from_ndarray(first, format="rgb24")))
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def main() -> int:
    """Makes the video of one episode; the exit code."""
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
        sys.stderr.write("give the folder of the recordings and the number of an episode\n")
        return 2
    os.nice(_POLITE)
    try:
        sys.stdout.write(f"{make_video(Path(sys.argv[1]), int(sys.argv[2]))}\n")
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
