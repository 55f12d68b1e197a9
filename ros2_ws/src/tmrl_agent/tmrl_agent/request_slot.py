"""At most one request to the policy server is in flight; after a failed one comes a pause."""

from tmrl_agent.params import AgentConfig
from tmrl_agent.requests import ChunkAnswer, FailedAnswer, FeaturesAnswer
from tmrl_common.backoff import Backoff
from tmrl_common.clock import Clock


class RequestSlot:
    """Numbers the requests and knows the one in flight.

    Every request gets an answer, at the latest when its deadline has passed: until then no other
    one is made, also when nobody needs the answer any more.

    Args:
        config: How long the pauses are.
        clock: Steady clock.

    Attributes:
        in_flight: Number of the request without an answer; None when there is none.
        problem: Why the newest request failed; empty after an answer.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self.in_flight: int | None = None
        self.problem = ""
        self._clock = clock
        self._retry = Backoff(config.retry_first_s, config.retry_max_s)
        self._count = 0

    @property
    def is_free(self) -> bool:
        """Whether a request may be made now."""
        return self.in_flight is None and self._retry.is_due(self._clock.now_s())

    def take(self) -> int:
        """Number of a new request, which is in flight from now on."""
        self._count += 1
        self.in_flight = self._count
        return self._count

    def release(self, answer: ChunkAnswer | FeaturesAnswer | FailedAnswer) -> bool:
        """Takes an answer.

        Returns:
            Whether it answers the request in flight; a late or doubled one means nothing.
        """
        if answer.request != self.in_flight:
            return False
        self.in_flight = None
        if isinstance(answer, FailedAnswer):
            self.problem = answer.problem
            self._retry.failed(self._clock.now_s())
        else:
            self.problem = ""
            self._retry.succeeded()
        return True
