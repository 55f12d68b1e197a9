"""Whether a process that ended is started again: one rule for `./tmrl up` and `ros2 launch`."""

import signal
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tmrl_common.clock import Clock

MAX_RESTARTS = 3
"""Within RESTART_WINDOW_S; a session of days outlives a fault now and then."""
RESTART_WINDOW_S = 3600.0
RESTART_PAUSE_S = 1.0
BAD_CONFIGURATION = 2
"""Exit code of a process that refused its parameters: starting it again would not help."""


@dataclass(frozen=True)
class Verdict:
    """What follows from the end of a process.

    Attributes:
        text: One sentence for the screen.
        again: Whether it is started again.
        fatal: Whether the session ends.
    """

    text: str
    again: bool
    fatal: bool = False


class RestartBudget:
    """Restarts that are left to one process."""

    def __init__(
        self, name: str, clock: Clock, *, restartable: bool, optional: bool = False
    ) -> None:
        """Begins with the whole budget.

        Args:
            name: Of the process.
            clock: For the window.
            restartable: Whether the process may be started again at all.
            optional: Whether the session continues without it.
        """
        self._optional = optional
        self._name = name
        self._clock = clock
        self._restartable = restartable
        self._restarts_s: deque[float] = deque()

    def on_exit(self, code: int, log: Path) -> Verdict:
        """Decides after the process ended by itself.

        Args:
            code: Exit code; below 0 the number of the signal that killed it.
            log: Its log, whose last lines usually say why.
        """
        text = f"{self._name} {_how_it_ended(code)}"
        if words := last_words(log):
            text += f": {words}"
        if not self._restartable or code == BAD_CONFIGURATION:
            return self._without(text)
        now_s = self._clock.now_s()
        while self._restarts_s and now_s - self._restarts_s[0] >= RESTART_WINDOW_S:
            self._restarts_s.popleft()
        if len(self._restarts_s) >= MAX_RESTARTS:
            spent = f"it was started again {MAX_RESTARTS} times within the last hour; see {log}"
            return self._without(f"{text}; {spent}")
        self._restarts_s.append(now_s)
        return Verdict(f"{text}; starting it again", again=True)

    def _without(self, text: str) -> Verdict:
        if self._optional:
            return Verdict(f"{text}; the session continues without it", again=False)
        return Verdict(text, again=False, fatal=True)


def last_words(log: Path, lines: int = 3) -> str:
    """Returns the last non-empty lines of a log, for the sentence about an end."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        text = file.read().decode(errors="replace")
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def _how_it_ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
