"""The ROS shell of the agent: converts, calls the core, carries out the effects that it returns."""

import queue
import sys
import uuid
from contextlib import ExitStack
from typing import Any

from tmrl_agent import messages
from tmrl_agent.effects import AgentStatus, Effect, PublishTransitions
from tmrl_agent.events import SentChunk
from tmrl_agent.inference import InferenceThread
from tmrl_agent.journal import JournalThread, NotWritten, WriteResult, Written
from tmrl_agent.journal.lock import only_writer
from tmrl_agent.params import AgentConfig
from tmrl_agent.requests import Answer
from tmrl_agent.session import close_session, connect, open_session
from tmrl_agent.subscriptions import Topic, topics
from tmrl_agent.transitions import Record
from tmrl_common.clock import SteadyClock
from tmrl_msgs import msg
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.chunk_messages import action_chunk_msg
from tmrl_ros.executor import wake
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node
from tmrl_ros.transition_messages import transition_to_msg

_TICK_S = 0.05
_STATUS_PERIOD_S = 1.0
_WARN_PERIOD_S = 5.0


class AgentNode(TmrlNode[AgentConfig]):
    """Observes the arm, asks the policy server, publishes chunks and journalled transitions."""

    def __init__(self) -> None:
        """Opens the journal, starts the thread that asks the server, and listens.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            JournalError: The journal cannot be used.
            TransportError: The server's endpoint is none.
        """
        self._opened = ExitStack()
        super().__init__("agent", AgentConfig)
        config, clock = self.config, SteadyClock()
        complain = self.get_logger().error
        self._opened.enter_context(only_writer(config.journal_path, config.robot))
        journal, self._stored, self._core = open_session(config, clock, complain)
        self._opened.callback(close_session, journal, self._stored, self._core, complain)
        self._journal = JournalThread(journal, self._hand_over)
        self._opened.callback(self._journal.close)
        self._epoch = uuid.uuid4().hex
        self._answers: queue.SimpleQueue[Answer | WriteResult] = queue.SimpleQueue()
        client = connect(config)
        self._inference = InferenceThread(client, config.deadline_s, clock, self._hand_over)
        self._opened.callback(self._inference.close)
        self._chunks = self.create_publisher(msg.ActionChunk, "policy/chunk", qos.EVENT)
        self._transitions = self.create_publisher(msg.Transition, "replay/transitions", qos.EVENT)
        self._status = self.create_publisher(msg.AgentStatus, "agent/status", qos.STATUS)
        for topic in topics(self._core, config, self._epoch, clock.now_s):
            self._listen(topic)
        self.create_service(FetchTransitions, "replay/fetch", self._on_fetch)
        self.create_timer(_TICK_S, self._tick, clock=self.wall_clock)
        self.create_timer(_STATUS_PERIOD_S, self._publish_status, clock=self.wall_clock)
        self._journal.start()
        self._inference.start()

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong, and how far the session is."""
        status = self._core.status()
        values = {"waits_for": status.waits_for, "transitions": str(status.last_transition)}
        return status.reason, values

    def destroy_node(self) -> None:
        """Ends the threads and writes what was held back; the learner fetches it later."""
        self._opened.close()
        super().destroy_node()

    def _listen(self, topic: Topic) -> None:
        """Subscribes; a message that contradicts itself costs one line of the log."""

        def on_message(message: Any) -> None:
            try:
                effects = topic.handle(message)
            except ValueError as error:
                text = f"dropped a message of {topic.name}: {error}"
                self.get_logger().error(text, throttle_duration_sec=_WARN_PERIOD_S)
            else:
                self._carry_out(effects)

        self.create_subscription(topic.kind, topic.name, on_message, topic.profile)

    def _on_fetch(
        self, request: FetchTransitions.Request, response: FetchTransitions.Response
    ) -> FetchTransitions.Response:
        response.last_sequence = self._journal.last_sequence
        if request.session == self.config.session:
            found = self._stored.fetch(request.first_sequence, request.max_count)
            response.transitions = [transition_to_msg(transition) for transition in found]
        return response

    def _hand_over(self, answer: Answer | WriteResult) -> None:
        """Runs in the thread of server or journal; the node's own thread takes the answer."""
        self._answers.put(answer)
        wake(self, self._take_answers)

    def _take_answers(self) -> None:
        while not self._answers.empty():
            match self._answers.get():
                case Written():
                    self._carry_out(self._core.on_written())
                case NotWritten(problem):
                    self._carry_out(self._core.on_write_failed(problem))
                case answer:
                    self._carry_out(self._core.on_answer(answer))

    def _tick(self) -> None:
        self._inference.check()
        self._journal.check()
        # The task only makes it quick: one that was lost must not end the session.
        self._take_answers()
        self._carry_out(self._core.on_listeners(self._chunks.get_subscription_count()))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SentChunk):
                chunk = messages.action_chunk(effect, self.config, self._epoch)
                self._chunks.publish(action_chunk_msg(chunk))
            elif isinstance(effect, Record):
                self._journal.submit(effect)
            elif isinstance(effect, PublishTransitions):
                for transition in effect.transitions:
                    self._transitions.publish(transition_to_msg(transition))
            elif isinstance(effect, AgentStatus):
                self._publish_status()
            else:
                self._inference.ask(effect)

    def _publish_status(self) -> None:
        message = messages.status_msg(self._core.status(), self.config, self._epoch)
        message.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(message)


def main() -> None:
    """Runs the node until it is asked to stop."""
    sys.exit(run_node(AgentNode))
