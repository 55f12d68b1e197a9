"""The learning node: replay/transitions in, learner/status and actor weights out."""

import sys
import threading

import numpy as np
import torch
from rclpy.task import Future

from tmrl_common.clock import SteadyClock
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import LearnerWorker, WorkerStatus, connect
from tmrl_msgs.msg import AgentStatus, LearnerStatus
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.conversion import to_float32_field
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node
from tmrl_ros.transition_messages import transition_from_msg

_STATUS_PERIOD_S = 0.1
_HEARTBEAT_PERIOD_S = 1.0
_GAP_PERIOD_S = 1.0
_SWITCH_INTERVAL_S = 0.0005
_FETCH_COUNT = 256


class LearningNode(TmrlNode[RunConfig]):
    """Shell around the worker: topics in and out, gaps fetched from the journal."""

    def __init__(self) -> None:
        """Starts the worker's thread.

        Raises:
            ParameterError: A parameter is missing, unknown or out of range.
            TransportError: The server's endpoint is none, or a key file cannot be used.
        """
        super().__init__("learning", RunConfig)
        self._client = connect(self.config)
        tell = self.create_guard_condition(self._publish_status)
        self._worker = LearnerWorker(self.config, self._client, SteadyClock(), tell.trigger)
        self._highest_known = 0
        self._contiguous_before = 0
        self._fetching: Future[FetchTransitions.Response] | None = None
        self._told: WorkerStatus | None = None
        self._status = self.create_publisher(LearnerStatus, "learner/status", qos.STATUS)
        self.create_subscription(
            TransitionMsg, "replay/transitions", self._on_transition, qos.EVENT
        )
        self.create_subscription(AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        self._fetch = self.create_client(FetchTransitions, "replay/fetch")
        self.create_timer(_STATUS_PERIOD_S, self._publish_changes, clock=self.wall_clock)
        self.create_timer(_HEARTBEAT_PERIOD_S, self._publish_status, clock=self.wall_clock)
        self.create_timer(_GAP_PERIOD_S, self._fetch_gap, clock=self.wall_clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="learner", daemon=True)
        self._failure: Exception | None = None
        self._thread.start()

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong with learning, and its phase."""
        status = self._worker.status
        return status.reason, {"phase": status.phase, "rounds": str(status.rounds)}

    def destroy_node(self) -> None:
        """Stops the worker, which writes its last checkpoint."""
        self._stop.set()
        self._thread.join()
        self._client.close()
        super().destroy_node()

    def _work(self) -> None:
        try:
            self._worker.run(self._stop)
        except Exception as error:  # noqa: BLE001
            # Raised again in the executor's thread, where it ends the process with its text.
            self._failure = error

    def _on_transition(self, message: TransitionMsg) -> None:
        if message.session != self.config.session:
            return
        self._highest_known = max(self._highest_known, message.sequence)
        self._worker.put(transition_from_msg(message))

    def _on_agent(self, message: AgentStatus) -> None:
        if message.session == self.config.session:
            self._highest_known = max(self._highest_known, message.transitions_published)

    def _fetch_gap(self) -> None:
        """Asks the journal for what did not arrive; after a restart that is all since then."""
        contiguous = self._worker.status.contiguous_sequence
        # A gap that is still closing by itself is left alone for one period.
        stuck = contiguous == self._contiguous_before and contiguous < self._highest_known
        self._contiguous_before = contiguous
        busy = self._fetching is not None or self._worker.status.phase == "starting"
        if busy or not stuck or not self._fetch.service_is_ready():
            return
        request = FetchTransitions.Request(
            session=self.config.session, first_sequence=contiguous + 1, max_count=_FETCH_COUNT
        )
        self._fetching = self._fetch.call_async(request)
        self._fetching.add_done_callback(self._on_fetched)

    def _on_fetched(self, future: Future[FetchTransitions.Response]) -> None:
        self._fetching = None
        response = future.result()
        if response is None:
            return
        for message in response.transitions:
            self._worker.put(transition_from_msg(message))
        self.get_logger().info(f"fetched {len(response.transitions)} transitions from the journal")

    def _publish_changes(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._worker.status is not self._told:
            self._publish_status()

    def _publish_status(self) -> None:
        self._told = status = self._worker.status
        message = LearnerStatus(
            robot=self.config.robot,
            session=self.config.session,
            method=self.config.method,
            phase=status.phase,
            transitions_stored=status.transitions_stored,
            contiguous_sequence=status.contiguous_sequence,
            durable_sequence=status.durable_sequence,
            episodes_stored=status.episodes_stored,
            successes_stored=status.successes_stored,
            rounds=status.rounds,
            rounds_owed=status.rounds_owed,
            rounds_per_s=status.rounds_per_s,
            actor_version=status.actor_version,
            metric_names=list(status.metrics),
            metric_values=to_float32_field(np.array(list(status.metrics.values()))),
            reason=status.reason,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_learning learning`."""
    # The second core belongs to acting; small networks gain nothing from more threads.
    torch.set_num_threads(1)
    # Learning hands the interpreter over often, so that transitions are taken in as they come.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    sys.exit(run_node(LearningNode))
