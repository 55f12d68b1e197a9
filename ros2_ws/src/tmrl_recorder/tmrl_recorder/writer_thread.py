"""The one thread that writes recordings, so that no callback of the node ever waits for a disk."""

import queue
import threading
from collections.abc import Callable

from tmrl_common.checked_thread import CheckedThread
from tmrl_common.closeable import Closeable
from tmrl_recorder.recording import Recording
from tmrl_recorder.sample import EpisodeSeen, Sample

_TICK_S = 0.1


class WriterThread(Closeable):
    """Hands everything over to a recording, in order; what does not fit into the backlog is lost.

    Attributes:
        left_out: Messages that did not fit, since the start.
    """

    def __init__(self, make: Callable[[], Recording], backlog_bytes: int) -> None:
        """Starts the thread, which makes the recording.

        Args:
            make: Makes the recording; it belongs to the thread.
            backlog_bytes: Messages that may wait.
        """
        self.left_out = 0
        self._make = make
        self._recording: Recording | None = None
        self._backlog_bytes = backlog_bytes
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Sample | EpisodeSeen | None] = queue.SimpleQueue()
        self._thread = CheckedThread(self._run, "recording")
        self._thread.start()

    def put(self, what: Sample | EpisodeSeen) -> None:
        """Hands something over; never waits."""
        if isinstance(what, Sample):
            with self._lock:
                if self._waiting_bytes + len(what.data) > self._backlog_bytes:
                    self.left_out += 1
                    return
                self._waiting_bytes += len(what.data)
        self._queue.put(what)

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        self._thread.check()

    @property
    def recording(self) -> Recording | None:
        """For its attributes, which any thread may read; None until it has been made."""
        return self._recording

    def close(self) -> None:
        """Ends the thread, after it has written what was handed over."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._recording = recording = self._make()
        while self._next(recording):
            recording.tick()
        recording.close()

    def _next(self, recording: Recording) -> bool:
        """Takes the next thing over, or nothing for a moment; whether there will be more."""
        try:
            what = self._queue.get(timeout=_TICK_S)
        except queue.Empty:
            return True
        if isinstance(what, Sample):
            recording.take(what)
            with self._lock:
                self._waiting_bytes -= len(what.data)
        elif what is not None:
            recording.see(what)
        return what is not None
