"""Who pressed the e-stop, and when: the sentence that the latch keeps until a person clears it."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tmrl_common.service_reply import ServiceReply

ESTOP = "controller/estop"
"""Both the service and the topic."""
_MOST_NAMES = 3
_NS_PER_S = 1_000_000_000


class Presses:
    """Presses the e-stop for whoever asks; nothing here can clear it."""

    def __init__(
        self, estop: Callable[[str], ServiceReply], now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Takes what stops the arm.

        Args:
            estop: Stops and latches for a reason, and answers what holds now.
            now_ns: Time of day, ns since 1970.
        """
        self._estop, self._now_ns = estop, now_ns

    def by_service(self) -> ServiceReply:
        """Presses it for a caller of the service, who has no name there."""
        return self._estop(f"e-stop was pressed: service {ESTOP}, at {_utc(self._now_ns())}")

    def by_topic(self, publishers: Sequence[str], stamp_ns: int) -> ServiceReply:
        """Presses it for a button.

        Args:
            publishers: Nodes that publish the topic now: a message does not name its sender.
            stamp_ns: When the message was sent, by its sender's clock, ns since 1970; 0 where the
                middleware does not say.
        """
        when = f"sent at {_utc(stamp_ns)}" if stamp_ns else f"heard at {_utc(self._now_ns())}"
        by = _published_by(publishers)
        return self._estop(f"e-stop was pressed: topic {ESTOP}{by}, {when}")


def _published_by(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    others = f" and {more} more" if more > 0 else ""
    return f", published by {'one of ' if len(names) > 1 else ''}{shown}{others}"


def _utc(stamp_ns: int) -> str:
    """Date and time to the millisecond; every 64-bit number of ns has one."""
    seconds, rest_ns = divmod(stamp_ns, _NS_PER_S)
    whole = datetime.fromtimestamp(seconds, UTC)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{rest_ns // 1_000_000:03d} UTC"
