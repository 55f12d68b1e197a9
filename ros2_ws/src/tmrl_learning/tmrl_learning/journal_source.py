"""Transitions from the journal of an agent within reach of DDS."""

from collections.abc import Sequence
from typing import Any

from tmrl_common.clock import SteadyClock
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import LearnerWorker
from tmrl_learning.hand_over import hand_over
from tmrl_learning.ingestion import Effect, Ingestion, Row
from tmrl_learning.journal_client import JournalClient
from tmrl_learning.messages import row_of
from tmrl_msgs.msg import AgentStatus
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_ros import qos

_COMPLAIN_PERIOD_S = 1.0


class JournalSource:
    """Listens to replay/transitions and agent/status, and calls replay/fetch.

    Args:
        node: The ROS node that has the subscriptions and the client.
        robot: Name of the arm.
        namespace: Of its agent, with a slash at its end; empty where it is the node's own.
        config: Names the session.
        worker: Takes the transitions.
    """

    def __init__(
        self, node: Any, robot: str, namespace: str, config: RunConfig, worker: LearnerWorker
    ) -> None:
        self._log = node.get_logger()
        self._robot = robot
        self._session = config.session
        self._worker = worker
        self._ingestion = Ingestion(robot, config.session, SteadyClock())
        node.create_subscription(
            TransitionMsg, f"{namespace}replay/transitions", self._on_transition, qos.EVENT
        )
        agent_topic = f"{namespace}agent/status"
        node.create_subscription(AgentStatus, agent_topic, self._on_agent, qos.STATUS)
        self._journal = JournalClient(node, config.session, namespace, self._on_fetched)

    @property
    def refused(self) -> int:
        """Messages and rows that were not used."""
        return self._ingestion.refused

    @property
    def reason(self) -> str:
        """What is wrong on the way from the journal; empty while nothing is."""
        return self._ingestion.reason

    def tick(self) -> None:
        """Looks after what depends on time; to be called regularly by the executor."""
        status = self._worker.status_of(self._robot)
        if status.phase != "starting":
            self._carry_out(self._ingestion.on_ready(status.contiguous_sequence))
        self._carry_out(self._ingestion.on_tick())

    def close(self) -> None:
        """Ends nothing: subscriptions and client are the node's."""

    def _on_transition(self, message: TransitionMsg) -> None:
        self._carry_out(self._ingestion.on_message(row_of(message)))

    def _on_agent(self, message: AgentStatus) -> None:
        if message.session == self._session:
            self._carry_out(self._ingestion.on_announced(message.transitions_published))

    def _on_fetched(self, rows: Sequence[Row], last_sequence: int) -> None:
        self._carry_out(self._ingestion.on_fetched(rows, last_sequence))

    def _carry_out(self, effects: list[Effect]) -> None:
        hand_over(effects, self._robot, self._worker, self._ask, self._complain)

    def _complain(self, sentence: str) -> None:
        self._log.error(sentence, throttle_duration_sec=_COMPLAIN_PERIOD_S)

    def _ask(self, first_sequence: int) -> None:
        if not self._journal.ask(first_sequence):
            self._carry_out(self._ingestion.on_unanswered())
