"""The nodes that a session depends on: who reported when, and what an episode waits for."""

from tmrl_common.clock import Clock
from tmrl_operator.params import OperatorConfig

NEEDED = ("arm", "controller", "agent")


class Peers:
    """What arm, controller, agent and learner last reported.

    Args:
        config: Time-outs of the session.
        clock: Wall time, steady.
    """

    def __init__(self, config: OperatorConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._reported_s: dict[str, float] = {}
        self._controller_waits_for = ""
        self._agent_epoch = ""
        self._agent_trouble = ""
        self._agent_well_s = clock.now_s()
        self._learner_started = False

    def reported(self, name: str) -> None:
        """One of NEEDED has given a sign of life."""
        self._reported_s[name] = self._clock.now_s()

    def on_controller(self, waits_for: str) -> None:
        """The controller reported, and whom it waits for; empty: for nobody."""
        self.reported("controller")
        self._controller_waits_for = waits_for

    def on_agent(self, epoch: str, trouble: str) -> bool:
        """The agent reported.

        Args:
            epoch: Identifies the life of its process.
            trouble: Why it cannot continue; empty while it can.

        Returns:
            Whether it has restarted since its last report.
        """
        self.reported("agent")
        restarted = self._agent_epoch not in ("", epoch)
        self._agent_epoch, self._agent_trouble = epoch, trouble
        if not trouble:
            self.trust_agent()
        return restarted

    def on_learner(self) -> None:
        """The learner has said where it stands: warm-up, training, or base."""
        self._learner_started = True

    def trust_agent(self) -> None:
        """From now on the agent has its whole time again to get going."""
        self._agent_well_s = self._clock.now_s()

    def silent(self) -> str:
        """Which needed node is missing, one sentence; empty when all are there."""
        now_s = self._clock.now_s()
        for name in NEEDED:
            if name not in self._reported_s:
                return f"the {name} has not reported yet"
            if now_s - self._reported_s[name] > self._config.peer_timeout_s:
                return f"the {name} has been silent for {now_s - self._reported_s[name]:.1f} s"
        return ""

    def stuck(self) -> str:
        """Why the agent has not been able to continue for too long; empty while it can."""
        since_s = self._clock.now_s() - self._agent_well_s
        if not self._agent_trouble or since_s <= self._config.agent_timeout_s:
            return ""
        return f"the agent cannot continue: {self._agent_trouble}"

    def not_ready(self) -> str:
        """What an episode must wait for before it begins; empty when nothing."""
        if self._agent_trouble:
            return f"waits for the agent: {self._agent_trouble}"
        if self._controller_waits_for:
            return f"waits for the controller: {self._controller_waits_for}"
        if self._config.wait_for_learner and not self._learner_started:
            return (
                "waits for the learner to report in learner/status: see logs/learning.log, there "
                "where it runs; in a session without one set operator.wait_for_learner to false"
            )
        return ""
