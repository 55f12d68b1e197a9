"""Pictures on their way to pages: the newest of each camera, encoded once, only while watched."""

import io
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PIL import Image

from tmrl_agent.images import Picture, capped

Read = Callable[[], Picture]
"""Makes a picture of a message; it costs something, and is done only for those that are shown."""


@dataclass(frozen=True)
class Shown:
    """A picture as a page gets it.

    Attributes:
        number: Counts the pictures of its camera.
        jpeg: The file; empty where the picture cannot be shown.
        problem: Why it cannot.
    """

    number: int
    jpeg: bytes
    problem: str = ""


class Slot:
    """The newest picture of one camera. Safe between threads."""

    def __init__(self, max_px: int, quality: int) -> None:
        """Waits for the first picture.

        Args:
            max_px: Longest side of what is shown.
            quality: Of the JPEG, 1 to 95.
        """
        self._max_px, self._quality = max_px, quality
        self._lock, self._encoding = threading.Lock(), threading.Lock()
        self._number = 0
        self._read: Read | None = None
        self._shown = Shown(0, b"")
        self._watchers = 0

    def put(self, read: Read) -> None:
        """Takes a picture in; one that nobody has looked at is dropped."""
        with self._lock:
            self._number += 1
            self._read = read

    @property
    def watched(self) -> bool:
        """Whether a page shows it."""
        return self._watchers > 0

    def watch(self) -> None:
        """A page begins to show it."""
        with self._lock:
            self._watchers += 1

    def leave(self) -> None:
        """A page stops showing it."""
        with self._lock:
            self._watchers -= 1

    @property
    def number(self) -> int:
        """Number of the newest picture; 0 before the first."""
        return self._number

    def newest(self) -> Shown:
        """Returns the newest picture, encoded by whoever asks first."""
        with self._encoding:
            with self._lock:
                number, read = self._number, self._read
            if read is not None and self._shown.number != number:
                self._shown = self._encode(number, read)
            return self._shown

    def _encode(self, number: int, read: Read) -> Shown:
        try:
            pixels = capped(read().pixels(), self._max_px)
        except ValueError as error:
            return Shown(number, b"", f"the picture {error}")
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=self._quality)
        return Shown(number, file.getvalue())


class Cameras:
    """The slots of all cameras, by name."""

    def __init__(self, names: Iterable[str], max_px: int, quality: int) -> None:
        """Makes an empty slot for each (see `Slot`)."""
        self._slots = {name: Slot(max_px, quality) for name in names}

    def slot(self, name: str) -> Slot | None:
        """Returns a camera's slot; None where there is no such camera."""
        return self._slots.get(name)

    def watched(self) -> frozenset[str]:
        """Returns the names of the cameras that a page shows."""
        return frozenset(name for name, slot in self._slots.items() if slot.watched)
