"""The uplink node: the journal's way to a learner on another machine, and its status back."""

import sys
import uuid
from collections.abc import Sequence

from tmrl_common.clock import SteadyClock
from tmrl_common.desk_messages import Offer, Wanted
from tmrl_common.errors import TmrlError
from tmrl_common.transport.client import PolicyClient
from tmrl_common.transport.curve import client_security
from tmrl_learning.exchange import Exchange
from tmrl_learning.ingestion import Row
from tmrl_learning.journal_client import JournalClient
from tmrl_learning.messages import report_msg
from tmrl_learning.pace import BUSY_S
from tmrl_learning.uplink import Uplink
from tmrl_learning.uplink_config import UplinkConfig
from tmrl_msgs.msg import AgentStatus, LearnerStatus
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

_SILENCE_S = 5.0
"""A learner that has reported nothing for so long is not shown as if it were there."""
_COMPLAIN_PERIOD_S = 5.0
_HEARTBEAT_PERIOD_S = 1.0


class UplinkNode(TmrlNode[UplinkConfig]):
    """Stands on the robot's machine for the learner elsewhere: same topics, same status."""

    def __init__(self) -> None:
        """Connects in the background.

        Raises:
            ParameterError: A parameter is missing, unknown or out of range.
            TransportError: The server's endpoint is none, or a key file cannot be used.
        """
        super().__init__("uplink", UplinkConfig)
        config, clock = self.config, SteadyClock()
        self._uplink = Uplink(config.robot, config.session, uuid.uuid4().hex, clock)
        self._unreached = ""
        self._shown: bytes | None = None
        security = client_security(config.client_key, config.server_key)
        self._client = PolicyClient(
            config.server, client="uplink", robot=config.robot, security=security
        )

        def ask(offer: Offer) -> Wanted:
            return self._client.offer(offer, deadline_s=config.deadline_s)

        self._exchange = Exchange(ask, "uplink")
        self._status = self.create_publisher(LearnerStatus, "learner/status", qos.STATUS)
        self.create_subscription(
            TransitionMsg, "replay/transitions", self._on_transition, qos.EVENT
        )
        self.create_subscription(AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        self._journal = JournalClient(self, config.session, "", self._on_fetched)
        self.create_timer(BUSY_S, self._tick, clock=self.wall_clock)
        self.create_timer(_HEARTBEAT_PERIOD_S, self._show, clock=self.wall_clock)

    def health(self) -> tuple[str, dict[str, str]]:
        """Whether the learner is reached."""
        report = self._uplink.report
        if self._unreached or report is None:
            return self._unreached or "no learner has reported through the policy server yet", {}
        silent = report.age_s > _SILENCE_S
        reason = f"the learner has reported nothing for {report.age_s:.1f} s" if silent else ""
        return reason, {"age_s": f"{report.age_s:.1f}"}

    def destroy_node(self) -> None:
        """Ends the connection; the journal keeps what was not taken."""
        self._client.close()
        self._exchange.close()
        super().destroy_node()

    def _on_transition(self, message: TransitionMsg) -> None:
        if (message.robot, message.session) == (self.config.robot, self.config.session):
            self._uplink.announced(message.sequence)

    def _on_agent(self, message: AgentStatus) -> None:
        if message.session == self.config.session:
            self._uplink.announced(message.transitions_published)

    def _tick(self) -> None:
        answer = self._exchange.take()
        if isinstance(answer, TmrlError):
            self._unreached = f"the learner is not reached: {answer}"
            self._uplink.unanswered()
        elif answer is not None:
            self._unreached = ""
            for fetch in self._uplink.wanted(answer):
                if not self._journal.ask(fetch.first_sequence):
                    self._uplink.no_journal()
            report = self._uplink.report
            if report is not None and report.content != self._shown:
                self._show()
        if self._exchange.is_free and self._uplink.is_due:
            self._exchange.put(self._uplink.offer())

    def _on_fetched(self, rows: Sequence[Row], last_sequence: int) -> None:
        for row in rows:
            if row.transition is None:
                self._complain(f"transition {row.sequence} of the journal is lost: {row.problem}")
        sound = [row.transition for row in rows if row.transition is not None]
        self._uplink.fetched(sound, last_sequence)

    def _complain(self, sentence: str) -> None:
        self.get_logger().error(sentence, throttle_duration_sec=_COMPLAIN_PERIOD_S)

    def _show(self) -> None:
        """Publishes what the learner reported, as long as it is there."""
        report = self._uplink.report
        if report is None or report.age_s > _SILENCE_S or self._unreached:
            return
        self._shown = report.content
        try:
            message = report_msg(self.config.robot, self.config.session, report.content)
        except ValueError as error:
            self._complain(f"the learner's report cannot be read: {error}")
            return
        message.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_learning uplink`."""
    sys.exit(run_node(UplinkNode))
