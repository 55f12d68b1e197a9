"""Decides when requests of several robots go through the policy together."""

from collections.abc import Sequence

from tmrl_common.protocol import Admitted

_ACTIVE_WITHIN_S = 10.0
_SHARE_OF_PASS = 0.25
_SHORTEST_S = 0.001
"""What sockets can wait for; less is not worth a wait."""


class BatchWindow:
    """Waits a little for other robots, and never for robots that are not there.

    A batch begins as soon as every robot that asked within the last 10 s waits in it, as it is
    full, or as its oldest request has waited for the window. The window is at most a quarter of
    what the last pass took: a quick policy gains nothing by waiting. With one robot nothing waits.
    """

    def __init__(self, window_s: float, largest: int) -> None:
        """Starts without robots.

        Args:
            window_s: Longest wait of the oldest request.
            largest: Requests with which a batch is full.
        """
        self._window_s = window_s
        self._largest = largest
        self._worthwhile_s = 0.0
        self._asked_at_s: dict[bytes, float] = {}

    def note_pass(self, took_s: float) -> None:
        """Remembers how long a pass took."""
        self._worthwhile_s = _SHARE_OF_PASS * took_s

    def begins_at_s(self, waiting: Sequence[Admitted], now_s: float) -> float:
        """When the batch of the waiting requests begins; not after `now_s`: at once.

        Args:
            waiting: Requests for chunks, at most one of each client, at least one in all.
            now_s: Steady clock.
        """
        for admitted in waiting:
            self._asked_at_s[admitted.peer] = admitted.received_at_s
        if len(waiting) < len(self._asked_at_s):
            self._forget(now_s - _ACTIVE_WITHIN_S)
        window_s = min(self._window_s, self._worthwhile_s)
        complete = len(waiting) >= min(len(self._asked_at_s), self._largest)
        if complete or window_s < _SHORTEST_S:
            return now_s
        return min(admitted.received_at_s for admitted in waiting) + window_s

    def _forget(self, before_s: float) -> None:
        """Robots that have not asked since then."""
        self._asked_at_s = {
            peer: at_s for peer, at_s in self._asked_at_s.items() if at_s >= before_s
        }
