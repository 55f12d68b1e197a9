"""How far the server is with its start: for clients, for a terminal, for a log."""

import logging
import sys
import time

from tqdm import tqdm

from tmrl_common.closeable import Closeable

_log = logging.getLogger(__name__)

_LINE_EVERY_S = 5.0
"""Of the log. Whoever starts quicker than that says nothing before it is ready."""


class StartProgress(Closeable):
    """Written by the thread that loads; any thread may read. A context manager.

    Attributes:
        sentence: What the server does now, such as "loading 42 %".
    """

    def __init__(self) -> None:
        """Starts at nothing."""
        self.sentence = "loading 0 %"
        self._said_at_s = time.monotonic()
        # On a terminal only: a bar in a log file is one endless line.
        self._bar = tqdm(total=100, desc="loading", unit="%", leave=False, disable=None)

    def loaded(self, fraction: float) -> None:
        """Notes that a share of the policy, in [0, 1], is there."""
        percent = int(100 * fraction)
        self.sentence = f"loading {percent} %"
        self._bar.update(percent - self._bar.n)
        self._say()

    def warms_up(self) -> None:
        """Notes that all of the policy is there, and that its first chunks are being made."""
        self.sentence = "warming up"
        self._bar.set_description("warming up")
        self._say()

    def close(self) -> None:
        """Takes the bar off the terminal."""
        self._bar.close()

    def _say(self) -> None:
        now_s = time.monotonic()
        if now_s - self._said_at_s >= _LINE_EVERY_S and not sys.stderr.isatty():
            self._said_at_s = now_s
            _log.info("%s", self.sentence)
