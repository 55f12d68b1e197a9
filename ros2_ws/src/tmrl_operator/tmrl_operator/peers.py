"""The nodes that a session depends on: who was heard of when, and what an episode waits for."""

from dataclasses import dataclass

from tmrl_common.clock import Clock
from tmrl_operator.params import OperatorConfig

NEEDED = ("arm", "controller", "agent")


@dataclass(frozen=True)
class LearnerReport:
    """How far the learner is.

    Attributes:
        transitions_taken: It has every transition up to this sequence number.
        rounds_owed: Update rounds that these still call for.
    """

    transitions_taken: int
    rounds_owed: int


class Peers:
    """What arm, controller, agent and learner have said of themselves.

    Args:
        config: How patient the session is.
        clock: Wall time, steady.
    """

    def __init__(self, config: OperatorConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._heard_s: dict[str, float] = {}
        self._agent_epoch = ""
        self._agent_trouble = ""
        self._agent_well_s = clock.now_s()
        self._transitions_made = 0
        self._learner: LearnerReport | None = None

    def heard(self, name: str) -> None:
        """One of NEEDED has given a sign of life."""
        self._heard_s[name] = self._clock.now_s()

    def heard_agent(self, epoch: str, trouble: str, transitions: int) -> bool:
        """The agent reported.

        Args:
            epoch: Identifies the life of its process.
            trouble: Why it cannot go on; empty while it can.
            transitions: How many it has published.

        Returns:
            Whether it has restarted since its last report.
        """
        self.heard("agent")
        restarted = self._agent_epoch not in ("", epoch)
        self._agent_epoch, self._agent_trouble = epoch, trouble
        self._transitions_made = transitions
        if not trouble:
            self.trust_agent()
        return restarted

    def heard_learner(self, report: LearnerReport) -> None:
        """The learner reported."""
        self._heard_s["learner"] = self._clock.now_s()
        self._learner = report

    def trust_agent(self) -> None:
        """From now on the agent has its whole time again to get going."""
        self._agent_well_s = self._clock.now_s()

    def silent(self) -> str:
        """Which needed node is missing, one sentence; empty when all are there."""
        now_s = self._clock.now_s()
        for name in NEEDED:
            if name not in self._heard_s:
                return f"the {name} has not been heard of yet"
            if now_s - self._heard_s[name] > self._config.peer_timeout_s:
                return f"the {name} has been silent for {now_s - self._heard_s[name]:.1f} s"
        return ""

    def stuck(self) -> str:
        """Why the agent has not been able to go on for too long; empty while it can."""
        since_s = self._clock.now_s() - self._agent_well_s
        if not self._agent_trouble or since_s <= self._config.agent_timeout_s:
            return ""
        return f"the agent cannot go on: {self._agent_trouble}"

    def not_ready(self) -> str:
        """What an episode has to wait for before it begins; empty when nothing."""
        if self._agent_trouble:
            return f"waits for the agent: {self._agent_trouble}"
        limit, learner = self._config.max_rounds_owed, self._learner
        if limit < 0:
            return ""
        if learner is None:
            return "waits for the learner to start"
        if self._clock.now_s() - self._heard_s["learner"] > self._config.peer_timeout_s:
            # Without it the arm can act all the same, and what it does is in the journal.
            return ""
        missing = self._transitions_made - learner.transitions_taken
        if missing > 0:
            return f"waits for the learner: {missing} transitions to take in"
        if learner.rounds_owed > limit:
            return f"waits for the learner: {learner.rounds_owed} rounds owed"
        return ""
