"""A thread whose failure does not pass unnoticed."""

import threading
from collections.abc import Callable


class CheckedThread:
    """Keeps the exception that ended its work, and raises it in whoever looks after it.

    Args:
        work: Done in the thread until it returns.
        name: Of the thread.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the thread, if something has; to be called regularly."""
        if self._failure is not None:
            raise self._failure

    def join(self) -> None:
        """Waits for its end; one that was never started has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - check() raises it in another thread
            self._failure = error
