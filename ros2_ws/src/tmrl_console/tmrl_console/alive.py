"""Who is alive: the heartbeats of all parts, and what each says is wrong with it."""

from typing import Any

from tmrl_common.clock import Clock

SILENT_S = 4.0
"""Four missed heartbeats."""
FORGOTTEN_S = 60.0
"""What has been silent for longer does not belong to the session any more."""


class Heartbeats:
    """The newest heartbeat of every part of one robot."""

    def __init__(self, robot: str, clock: Clock) -> None:
        """Waits for the first ones.

        Args:
            robot: Heartbeats of others are left alone.
            clock: Wall time.
        """
        self._prefix = f"{robot}/"
        self._clock = clock
        self._newest: dict[str, tuple[float, str]] = {}

    def beat(self, hardware_id: str, trouble: str) -> None:
        """Takes a heartbeat.

        Args:
            hardware_id: Robot and part, such as "widowx/arm".
            trouble: What is wrong; empty while the part is well.
        """
        if hardware_id.startswith(self._prefix):
            part = hardware_id.removeprefix(self._prefix)
            self._newest[part] = self._clock.now_s(), trouble

    def section(self) -> dict[str, Any]:
        """Returns every part with its state: "ok", "trouble" or "silent"."""
        now_s = self._clock.now_s()
        self._newest = {
            part: seen for part, seen in self._newest.items() if now_s - seen[0] <= FORGOTTEN_S
        }
        return {
            "parts": [
                {"part": part, **_judged(now_s - at_s, trouble)}
                for part, (at_s, trouble) in sorted(self._newest.items())
            ]
        }


def _judged(age_s: float, trouble: str) -> dict[str, str]:
    if age_s > SILENT_S:
        return {"state": "silent", "reason": f"no heartbeat for more than {SILENT_S:g} s"}
    return {"state": "trouble" if trouble else "ok", "reason": trouble}
