"""Listens to a session over ROS and keeps the record of the live view; starts and stops it too."""

import threading

import rclpy
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from tmrl_common.types import Outcome, SteeringSource
from tmrl_demo.record import STATES, SessionRecord
from tmrl_learner.worker_status import WorkerStatus
from tmrl_msgs.msg import (
    AgentStatus,
    ControllerStatus,
    EpisodeOutcome,
    EpisodeState,
    LearnerStatus,
    Transition,
)
from tmrl_msgs.srv import PersonRequest
from tmrl_ros import qos
from tmrl_ros.network import enter_ros

RequestClient = Client[PersonRequest.Request, PersonRequest.Response]

_MODES = ("hold", "policy", "teleop", "e-stop", "fault")
_SPIN_S = 0.1


class Monitor:
    """A node in a thread of its own; `record` is what it has received.

    Args:
        namespace: Of the robot's nodes, such as "/widowx".
        session: Messages of other sessions are not counted.
        record: Filled by the messages.
        domain: ROS domain of the nodes.
    """

    def __init__(self, namespace: str, session: str, record: SessionRecord, domain: int) -> None:
        self._context = rclpy.Context()
        # Signals belong to the session, which stops everything in order.
        enter_ros([], self._context, domain, SignalHandlerOptions.NO)
        self.record = record
        self._session = session
        self._node = Node("monitor", namespace=namespace, context=self._context)
        subscribe = self._node.create_subscription
        subscribe(EpisodeState, "episode/state", self._on_state, qos.STATUS)
        subscribe(EpisodeOutcome, "episode/outcome", self._on_outcome, qos.LABELS)
        subscribe(Transition, "replay/transitions", self._on_transition, qos.EVENT)
        subscribe(LearnerStatus, "learner/status", self._on_learner, qos.STATUS)
        subscribe(AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        subscribe(ControllerStatus, "controller/status", self._on_controller, qos.STATUS)
        self._start = self._node.create_client(PersonRequest, "operator/start")
        self._stop = self._node.create_client(PersonRequest, "operator/stop")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="monitor", daemon=True)
        self._thread.start()

    def start_session(self, timeout_s: float) -> str:
        """Asks the operator node to start; the sentence of a refusal, empty when it started."""
        return self._call(self._start, timeout_s)

    def stop_session(self, timeout_s: float) -> str:
        """Asks the operator node to stop; the sentence of a refusal, empty when it stopped."""
        return self._call(self._stop, timeout_s)

    def close(self) -> None:
        """Ends the thread and the node."""
        self._closing.set()
        self._thread.join()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self._node)
        while not self._closing.is_set():
            executor.spin_once(timeout_sec=_SPIN_S)
        executor.shutdown()

    def _call(self, client: RequestClient, timeout_s: float) -> str:
        if not client.service_is_ready():
            return f"{client.srv_name} is not there yet"
        answered = threading.Event()
        future = client.call_async(PersonRequest.Request(operator_name="demo"))
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(timeout_s):
            return f"{client.srv_name} did not answer within {timeout_s:g} s"
        response = future.result()
        if response is None:
            return f"{client.srv_name} gave no answer"
        return "" if response.success else response.message

    def _on_state(self, message: EpisodeState) -> None:
        self.record.on_state(STATES[message.state], message.reason, message.episode)

    def _on_outcome(self, message: EpisodeOutcome) -> None:
        if message.session == self._session:
            self.record.on_outcome(message.episode, Outcome(message.outcome), message.detail)

    def _on_transition(self, message: Transition) -> None:
        if message.session == self._session:
            steered = message.steering != SteeringSource.NONE.value
            sigma = message.sigma if steered else None
            self.record.on_transition(message.episode, message.revision, sigma, message.steps)

    def _on_learner(self, message: LearnerStatus) -> None:
        self.record.learner = WorkerStatus(
            phase=message.phase,
            transitions_stored=message.transitions_stored,
            contiguous_sequence=message.contiguous_sequence,
            rounds=message.rounds,
            rounds_owed=message.rounds_owed,
            rounds_per_s=message.rounds_per_s,
            actor_version=message.actor_version,
            metrics=dict(zip(message.metric_names, message.metric_values, strict=True)),
            reason=message.reason,
        )

    def _on_agent(self, message: AgentStatus) -> None:
        self.record.transitions_published = message.transitions_published
        self.record.round_trip_s = message.round_trip_s
        self.record.agent_reason = message.reason

    def _on_controller(self, message: ControllerStatus) -> None:
        self.record.controller = _MODES[message.mode]
        broken = message.mode in (ControllerStatus.ESTOP, ControllerStatus.FAULT)
        self.record.controller_reason = message.reason if broken else ""
        self.record.chunks_refused = message.chunks_refused
        self.record.last_refusal = message.last_refusal
