"""Who steers according to the learner, and whether a simulated world waits for it.

A learner that restarts says "starting" until it has read its checkpoint. The server still
has the actor that the one before handed over, so until then what it last reported holds.

A real arm takes a second for a chunk, and the learner its round meanwhile. A simulation in
lock-step is ten times faster: without waiting the policy would act on what it knew many chunks ago,
the more so the busier the machine is.
"""

from tmrl_agent.events import LearnerView
from tmrl_agent.params import AgentConfig
from tmrl_agent.waiting import Wait
from tmrl_common.clock import Clock

_STARTING = "starting"


class LearnerWatch:
    """What the learner last said of itself.

    Args:
        config: How many rounds it may owe, and after how long a silence nothing waits for it.
        clock: Steady clock.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._view: LearnerView | None = None
        self._phase = ""
        self._reported_s = 0.0

    @property
    def phase(self) -> str:
        """As in tmrl_msgs/LearnerStatus, the last one known; empty before the first."""
        return self._phase

    def update(self, view: LearnerView) -> None:
        """Takes what it reported."""
        self._view, self._reported_s = view, self._clock.now_s()
        if view.phase != _STARTING:
            self._phase = view.phase

    def wait(self, transitions: int) -> Wait | None:
        """Why the next chunk must wait for it.

        Args:
            transitions: Number of the newest transition.

        Returns:
            None too for a learner that never reported or has fallen silent: the arm can act without
            it, and what it does is in the journal.
        """
        view, limit = self._view, self._config.max_rounds_owed
        if limit < 0 or view is None:
            return None
        if self._clock.now_s() - self._reported_s > self._config.wait_warning_s:
            return None
        if view.transitions_taken >= transitions and view.rounds_owed <= limit:
            return None
        return Wait(
            "learner",
            f"the learner: it has {view.transitions_taken} of {transitions} transitions and owes "
            f"{view.rounds_owed} update rounds, allowed are {limit}",
        )
