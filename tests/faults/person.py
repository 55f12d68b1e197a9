"""The person beside the session: looks at a pause that does not pass, and presses start.

Some pauses resume by themselves; others say that somebody must look first, and what to press.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

_LOOK_EVERY_S = 1.0
_PATIENCE_S = 8.0
"""A pause that passes is over by then, once its cause is."""
_ANSWER_S = 60.0


class Person:
    """Looks at the ledger of a run from time to time.

    Args:
        ledger: The operator's, `episodes.jsonl`.

    Attributes:
        pressed: How often a session was resumed by hand.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._seen = b""
        self._since_s = self._looked_s = 0.0
        self.pressed = 0

    def look(self, domain: int) -> None:
        """Presses start where the session has stood in a pause for a while."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S or not self._ledger.exists():
            return
        self._looked_s = now_s
        last = self._last_line()
        if last != self._seen or not _is_pause(last):
            self._seen, self._since_s = last, now_s
        elif now_s - self._since_s >= _PATIENCE_S:
            self._since_s = now_s
            # A latched fault ends with a hold, once its cause is gone.
            _call(domain, "controller/hold")
            if _call(domain, "operator/start", "operator_name:=harness"):
                self.pressed += 1

    def _last_line(self) -> bytes:
        with self._ledger.open("rb") as file:
            file.seek(max(0, self._ledger.stat().st_size - 4096))
            lines = file.read().splitlines()
        return lines[-1] if lines else b""


def _is_pause(line: bytes) -> bool:
    try:
        return json.loads(line).get("event") == "paused"
    except ValueError:
        return False


def _call(domain: int, *words: str) -> bool:
    """Calls a service as a user does; whether it was done."""
    command = [sys.executable, "-m", "tmrl_cli.cli", "call", *words]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_ANSWER_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
