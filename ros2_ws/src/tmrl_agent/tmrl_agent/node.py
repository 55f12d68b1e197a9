"""The ROS shell of the agent: converts, calls the core, carries out what it decides."""

import queue
import sys
import uuid
from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from tmrl_agent import messages
from tmrl_agent.core import Decision
from tmrl_agent.events import SentChunk
from tmrl_agent.inference import InferenceThread
from tmrl_agent.journal import JournalError
from tmrl_agent.params import AgentConfig
from tmrl_agent.requests import Answer, Connection
from tmrl_agent.session import connect, open_session
from tmrl_agent.transitions import Record
from tmrl_common.clock import SteadyClock
from tmrl_common.errors import TmrlError
from tmrl_msgs import msg
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.conversion import transition_to_msg
from tmrl_ros.node import TmrlNode
from tmrl_ros.parameters import ParameterError
from tmrl_ros.run import run_node

_TICK_S = 0.05
_STATUS_PERIOD_S = 1.0
_WARN_PERIOD_S = 5.0


class AgentNode(TmrlNode[AgentConfig]):
    """Observes the arm, asks the policy server, publishes chunks and journalled transitions."""

    def __init__(self) -> None:
        """Opens the journal, starts the thread that asks the server, and listens.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range, the journal cannot be
                used, or the server's endpoint is none.
        """
        super().__init__("agent", AgentConfig)
        config, clock = self.config, SteadyClock()
        try:
            self._journal, self._core = open_session(config, clock)
            client = connect(config)
        except TmrlError as error:
            raise ParameterError(str(error)) from error
        self._now_s = clock.now_s
        self._epoch = uuid.uuid4().hex
        self._frame_id = ""
        self._figures = msg.AgentStatus(reason="connecting to the policy server")
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._answered = self.create_guard_condition(self._take_answers)
        self._inference = InferenceThread(client, config.deadline_s, clock, self._hand_over)
        self._chunks = self.create_publisher(msg.ActionChunk, "policy/chunk", qos.EVENT)
        self._transitions = self.create_publisher(msg.Transition, "replay/transitions", qos.EVENT)
        self._status = self.create_publisher(msg.AgentStatus, "agent/status", qos.STATUS)
        self._listen_to_all()
        self.create_service(FetchTransitions, "replay/fetch", self._on_fetch)
        self.create_timer(_TICK_S, self._tick, clock=self.wall_clock)
        self.create_timer(_STATUS_PERIOD_S, self._publish_status, clock=self.wall_clock)
        self._inference.start()

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong, and how far the session is."""
        transitions = str(self._journal.last_sequence)
        figures = {"chunks": str(self._core.chunks_published), "transitions": transitions}
        return self._core.reason, figures

    def destroy_node(self) -> None:
        """Ends the thread and writes what was held back; the learner fetches it later."""
        self._inference.close()
        try:
            for record in self._core.close():
                self._journal.append(record.transitions, record.label)
        except JournalError as error:
            self.get_logger().error(f"held back and not written: {error}")
        self._journal.close()
        super().destroy_node()

    def _listen_to_all(self) -> None:
        core, listen = self._core, self._listen
        listen(msg.ObjectPoses, "perception/objects", qos.STATE, self._on_objects)
        listen(msg.ArmState, "arm/state", qos.STATE, self._on_arm)
        for name in self.config.cameras:
            handle = self._image_handler(name)
            listen(Image, f"camera/{name}/image", qos.IMAGE, handle)
        listen(msg.ControllerStatus, "controller/status", qos.STATUS, self._on_controller)
        listen(msg.ChunkOutcome, "controller/outcome", qos.EVENT, self._on_outcome)
        listen(msg.EpisodeOutcome, "episode/outcome", qos.LABELS, self._on_label)
        listen(msg.EpisodeState, "episode/state", qos.STATUS, self._on_episode)
        listen(msg.LearnerStatus, "learner/status", qos.STATUS, lambda m: core.on_learner(m.phase))

    def _listen(
        self, kind: Any, topic: str, profile: QoSProfile, handle: Callable[[Any], list[Decision]]
    ) -> None:
        """Subscribes; a message that contradicts itself costs one line of the log."""

        def on_message(message: Any) -> None:
            try:
                decisions = handle(message)
            except ValueError as error:
                text = f"dropped a message of {topic}: {error}"
                self.get_logger().error(text, throttle_duration_sec=_WARN_PERIOD_S)
                return
            self._carry_out(decisions)

        self.create_subscription(kind, topic, on_message, profile)

    def _on_objects(self, message: msg.ObjectPoses) -> list[Decision]:
        return self._core.on_objects(messages.objects_reading(message, self._now_s()))

    def _on_arm(self, message: msg.ArmState) -> list[Decision]:
        self._frame_id = message.header.frame_id
        return self._core.on_arm(messages.arm_reading(message, self._now_s()))

    def _image_handler(self, camera: str) -> Callable[[Image], list[Decision]]:
        return lambda m: self._core.on_image(camera, messages.image_reading(m, self._now_s()))

    def _on_controller(self, message: msg.ControllerStatus) -> list[Decision]:
        return self._core.on_controller(messages.controller_view(message))

    def _on_outcome(self, message: msg.ChunkOutcome) -> list[Decision]:
        ours = message.agent_epoch == self._epoch
        return self._core.on_outcome(messages.chunk_end(message)) if ours else []

    def _on_label(self, message: msg.EpisodeOutcome) -> list[Decision]:
        ours = message.session == self.config.session
        return self._core.on_label(messages.episode_label(message)) if ours else []

    def _on_episode(self, message: msg.EpisodeState) -> list[Decision]:
        ours = message.session == self.config.session
        return self._core.on_episode(messages.episode_view(message)) if ours else []

    def _on_fetch(
        self, request: FetchTransitions.Request, response: FetchTransitions.Response
    ) -> FetchTransitions.Response:
        response.last_sequence = self._journal.last_sequence
        if request.session == self.config.session:
            found = self._journal.fetch(request.first_sequence, request.max_count)
            response.transitions = [transition_to_msg(transition) for transition in found]
        return response

    def _hand_over(self, answer: Answer) -> None:
        """Runs in the thread that asks the server; the node's own thread takes the answer."""
        self._answers.put(answer)
        self._answered.trigger()

    def _take_answers(self) -> None:
        while not self._answers.empty():
            answer = self._answers.get()
            if isinstance(answer, Connection):
                self._figures.server_connected = not answer.problem
                self._figures.policy_version = answer.policy_version
            self._carry_out(self._core.on_answer(answer))
            self._publish_status()

    def _tick(self) -> None:
        self._inference.check()
        self._carry_out(self._core.advance())
        if self._core.reason != self._figures.reason:
            self._publish_status()

    def _carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, SentChunk):
                self._send(decision)
            elif isinstance(decision, Record):
                self._record(decision)
            else:
                self._inference.ask(decision)

    def _send(self, sent: SentChunk) -> None:
        self._chunks.publish(messages.chunk_msg(sent, self.config, self._epoch, self._frame_id))
        self._figures.actor_version = sent.reply.actor_version
        self._figures.round_trip_s = sent.round_trip_s
        self._figures.inference_s = sent.reply.timings.total_s

    def _record(self, record: Record) -> None:
        """Commits, then publishes, then goes on; a journal that refuses is asked again later."""
        try:
            self._journal.append(record.transitions, record.label)
        except JournalError as error:
            self._carry_out(self._core.on_write_failed(str(error)))
            return
        for transition in record.transitions:
            self._transitions.publish(transition_to_msg(transition))
        self._carry_out(self._core.on_written())
        self._publish_status()

    def _publish_status(self) -> None:
        figures = self._figures
        figures.header.stamp = self.get_clock().now().to_msg()
        figures.robot, figures.session = self.config.robot, self.config.session
        figures.agent_epoch, figures.server = self._epoch, self.config.server
        figures.chunks_published = self._core.chunks_published
        figures.transitions_published = self._journal.last_sequence
        figures.reason = self._core.reason
        self._status.publish(figures)


def main() -> None:
    """Runs the node until it is told to stop."""
    sys.exit(run_node(AgentNode))
