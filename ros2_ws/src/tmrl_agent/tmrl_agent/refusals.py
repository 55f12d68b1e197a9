"""What the controller refused in a row, and whether another chunk makes sense."""

from tmrl_agent.params import AgentConfig
from tmrl_agent.patience import BackOff
from tmrl_common.chunks import RefusalCode
from tmrl_common.clock import Clock


class Refusals:
    """Counts the refusals since the last chunk that was executed.

    Most refusals repeat themselves until something changes: after a few, nothing more is sent. An
    arm state that has not reached the controller yet comes by itself, so a chunk that answers one
    is made anew again and again, after growing pauses.

    Args:
        config: How many refusals are too many, and how long the pauses are.
        clock: Steady clock.

    Attributes:
        count: Refusals in a row.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._most = config.max_refusals
        self._pause = BackOff(config.retry_first_s, config.retry_max_s, clock)
        self._sentence = ""
        self._not_yet = False
        self.count = 0

    def refused(self, code: str, sentence: str) -> None:
        """The controller refused a chunk.

        Args:
            code: Its short name of the reason.
            sentence: For people.
        """
        self.count += 1
        self._sentence = sentence
        # The chunk overtook the arm state that it answers, on the way to the controller.
        self._not_yet = code == RefusalCode.UNKNOWN_ARM_STATE
        if self._not_yet:
            self._pause.failed()

    def forget(self) -> None:
        """A chunk was executed, or something has changed: a new start."""
        self.count = 0
        self._sentence = ""
        self._pause.succeeded()

    @property
    def forbid(self) -> bool:
        """Whether no chunk may be asked for now."""
        return self._pause.pausing if self._not_yet else self.count > self._most

    @property
    def problem(self) -> str:
        """The newest refusal, once there were too many; empty until then."""
        return self._sentence if self.count > self._most else ""
