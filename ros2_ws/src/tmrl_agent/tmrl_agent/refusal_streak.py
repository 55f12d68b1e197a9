"""The chunks that the controller refused in a row, and whether another one makes sense."""

from tmrl_agent.params import AgentConfig
from tmrl_common.backoff import Backoff
from tmrl_common.chunks import RefusalCode
from tmrl_common.clock import Clock


class RefusalStreak:
    """Counts the refusals since the last chunk that was executed.

    Most refusals repeat themselves until something changes: after a few, nothing more is sent. An
    arm state that has not reached the controller yet comes by itself, so a chunk that answers one
    is replaced again and again, after growing pauses.

    Args:
        config: How many refusals are too many, and how long the pauses are.
        clock: Steady clock.

    Attributes:
        count: Refusals in a row.
        sentence: The newest one; empty when there is none.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._most = config.max_refusals
        self._clock = clock
        self._pause = Backoff(config.retry_first_s, config.retry_max_s)
        self._not_yet = False
        self.sentence = ""
        self.count = 0

    def refused(self, code: str, sentence: str) -> None:
        """The controller refused a chunk.

        Args:
            code: Its short name of the reason.
            sentence: For people.
        """
        self.count += 1
        self.sentence = sentence
        # The chunk overtook the arm state that it answers, on the way to the controller.
        self._not_yet = code == RefusalCode.UNKNOWN_ARM_STATE
        if self._not_yet:
            self._pause.failed(self._clock.now_s())

    def forget(self) -> None:
        """A chunk was executed, or something has changed: the count starts at zero."""
        self.count = 0
        self.sentence = ""
        self._pause.succeeded()

    @property
    def forbids(self) -> bool:
        """Whether no chunk may be asked for now."""
        if self._not_yet:
            return not self._pause.is_due(self._clock.now_s())
        return self.count > self._most

    @property
    def problem(self) -> str:
        """The newest refusal, once there were too many; empty until then."""
        return self.sentence if self.count > self._most else ""
