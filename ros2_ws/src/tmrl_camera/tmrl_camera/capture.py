"""Keeps a camera open: reads it, and opens it again after ever longer pauses when it is lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tmrl_camera.camera import Camera, CameraError, Frame, Opened
from tmrl_common.checked_thread import CheckedThread


@dataclass(frozen=True)
class Lost:
    """A camera could not be opened, or stopped sending.

    Attributes:
        problem: One sentence, with the remedy.
    """

    problem: str


Event = Opened | Frame | Lost


@dataclass(frozen=True)
class Step:
    """What one step brought.

    Attributes:
        event: What happened.
        pause_s: How long to wait before the next step, s; 0 while the camera sends.
    """

    event: Event
    pause_s: float = 0.0


class Capture:
    """Decides what to do with a camera next.

    Args:
        camera: The camera; it belongs to this object.
        retry_first_s: Pause after the first failure.
        retry_max_s: Longest pause.
    """

    def __init__(self, camera: Camera, retry_first_s: float, retry_max_s: float) -> None:
        self._camera = camera
        self._first_s = retry_first_s
        self._max_s = retry_max_s
        self._pause_s = retry_first_s
        self._is_open = False

    def step(self) -> Step:
        """Opens the camera, or reads one frame."""
        try:
            if self._is_open:
                event = self._camera.read()
                # A camera that opens but never sends would otherwise be tried without a pause.
                self._pause_s = self._first_s
            else:
                event = self._camera.open()
                self._is_open = True
        except CameraError as error:
            self.close()
            lost = Step(Lost(str(error)), self._pause_s)
            self._pause_s = min(2.0 * self._pause_s, self._max_s)
            return lost
        return Step(event)

    def close(self) -> None:
        """Stops the camera."""
        self._is_open = False
        self._camera.close()


class CaptureThread:
    """Runs a `Capture`, because waiting for a frame blocks.

    Args:
        capture: Belongs to this thread from now on.
        deliver: Called in the thread with everything that happens.
    """

    def __init__(self, capture: Capture, deliver: Callable[[Event], None]) -> None:
        self._capture = capture
        self._deliver = deliver
        self._closing = threading.Event()
        self._thread = CheckedThread(self._run, "capture")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        self._thread.check()

    def close(self) -> None:
        """Ends the thread and stops the camera."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                step = self._capture.step()
                self._deliver(step.event)
                if step.pause_s > 0.0:
                    self._closing.wait(step.pause_s)
        finally:
            self._capture.close()
