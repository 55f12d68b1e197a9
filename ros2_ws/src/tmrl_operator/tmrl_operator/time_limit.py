"""When an episode's time is up."""

from tmrl_operator.refused import RefusedError

_NANO = 1_000_000_000


class TimeLimit:
    """The span of the running episode, in ROS time.

    Args:
        limit_s: Longest episode, s.
        patience_s: How long the verdict on its last instant is waited for, s of wall time.

    Attributes:
        started_ns: ROS time at which the episode began.
    """

    def __init__(self, limit_s: float, patience_s: float) -> None:
        self._limit_ns = round(limit_s * _NANO)
        self._patience_s = patience_s
        self._passed_s: float | None = None
        self.started_ns = 0

    def begin(self, started_ns: int) -> None:
        """An episode begins."""
        self.started_ns, self._passed_s = started_ns, None

    @property
    def ends_ns(self) -> int:
        """ROS time at which its time is up."""
        return self.started_ns + self._limit_ns

    def is_overdue(self, now_ns: int, now_s: float) -> bool:
        """Whether time is up, and the verdict on the last instant has not come for too long.

        Args:
            now_ns: ROS time.
            now_s: Wall time, steady.
        """
        if now_ns < self.ends_ns:
            return False
        if self._passed_s is None:
            self._passed_s = now_s
        return now_s - self._passed_s > self._patience_s

    def check(self, stamp_ns: int, now_ns: int) -> None:
        """Refuses a stamp that lies outside of the episode; 0, for none, passes.

        Raises:
            RefusedError: Names the stamp and the episode's span.
        """
        if stamp_ns and not self.started_ns < stamp_ns <= now_ns:
            raise RefusedError(
                f"the stamp {stamp_ns / _NANO:.3f} s lies outside of the episode, which began at "
                f"{self.started_ns / _NANO:.3f} s; it is {now_ns / _NANO:.3f} s now"
            )
