"""Who steers by the learner's word, and whether a simulated world waits for it.

A learner that is started again says "starting" until it has read its checkpoint. The server still
has the actor that the one before handed over, so until then what was last known goes on to hold.

A real arm takes a second for a chunk, and the learner its round meanwhile. A simulation in
lock-step is ten times faster: without waiting the policy would act on what it knew many chunks ago,
the more so the busier the machine is.
"""

from tmrl_agent.events import LearnerView
from tmrl_agent.params import AgentConfig
from tmrl_common.clock import Clock

_STARTING = "starting"


class LearnerWatch:
    """What the learner last said of itself.

    Args:
        config: How many rounds it may owe, and how long its silence is borne.
        clock: Steady clock.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._view: LearnerView | None = None
        self._phase = ""
        self._heard_s = 0.0

    @property
    def phase(self) -> str:
        """As in tmrl_msgs/LearnerStatus, the last one known; empty before the first."""
        return self._phase

    def heard(self, view: LearnerView) -> None:
        """It reported."""
        self._view, self._heard_s = view, self._clock.now_s()
        if view.phase != _STARTING:
            self._phase = view.phase

    def lags(self, transitions: int) -> bool:
        """Whether the next chunk has to wait for it.

        Args:
            transitions: Published so far.

        Returns:
            False too for a learner that was never heard of or has fallen silent: the arm can act
            without it, and what it does is in the journal.
        """
        view, limit = self._view, self._config.max_rounds_owed
        if limit < 0 or view is None:
            return False
        if self._clock.now_s() - self._heard_s > self._config.patience_s:
            return False
        return view.transitions_taken < transitions or view.rounds_owed > limit
