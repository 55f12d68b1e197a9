"""The signals that ask a node's process to stop, as a future that its executor can wait for."""

import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import Any

from rclpy.task import Future

_ALWAYS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Ctrl-C, a polite kill, or a closed terminal; nothing but `received` happens on them.

    rclpy's own handlers end the context, so that whatever a node still must say, an arm's braking
    ramp above all, can no longer be sent. These only take note: the node decides in which order
    things end, and a second signal cannot interrupt it. To be used in the main thread:

        with StopSignals() as stop:
            executor.spin_until_future_complete(stop.received)

    A closed terminal (SIGHUP) counts unless it is ignored, as under `nohup`.

    Attributes:
        received: Done once there was a signal; holds its number.
    """

    def __init__(self) -> None:
        """Takes no signal yet; entering the context does."""
        self.received: Future[int] = Future()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        """Takes the signals over."""
        # The main thread waits inside the middleware, where no Python code runs. The interpreter
        # writes each signal's number into this socket at once, and a thread passes it on.
        self._reader, self._writer = socket.socketpair()
        self._writer.settimeout(0.0)
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        self._before = {n: signal.signal(n, _take_note) for n in (*_ALWAYS, *hang_up)}
        self._thread = threading.Thread(target=self._listen, name="stop_signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hands the signals back; after one of them the rest of the process's end ignores them."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self.received.done() else handler)
        signal.set_wakeup_fd(self._fd_before)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _listen(self) -> None:
        while byte := self._reader.recv(1):
            if byte[0] in self._before and not self.received.done():
                self.received.set_result(byte[0])


def _take_note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: that there is a handler keeps the signal's default action from happening."""
