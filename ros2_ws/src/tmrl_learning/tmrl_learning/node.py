"""The learning node: replay/transitions in, learner/status and actor weights out."""

import sys
import threading

import torch
from rclpy.client import Client
from rclpy.task import Future

from tmrl_common.clock import SteadyClock
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import LearnerWorker, WorkerStatus, connect
from tmrl_learning.ingestion import FETCH_COUNT, Complain, Effect, Fetch, GiveUp, Ingestion, Take
from tmrl_learning.messages import row_of, status_msg
from tmrl_msgs.msg import AgentStatus, LearnerStatus
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

_STATUS_PERIOD_S = 0.1
_HEARTBEAT_PERIOD_S = 1.0
_TICK_PERIOD_S = 0.2
_COMPLAIN_PERIOD_S = 1.0
_SWITCH_INTERVAL_S = 0.0005


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
        self._ingestion = Ingestion(self.config.robot, self.config.session, SteadyClock())
        self._fetching: Future[FetchTransitions.Response] | None = None
        self._told: WorkerStatus | None = None
        self._status = self.create_publisher(LearnerStatus, "learner/status", qos.STATUS)
        self.create_subscription(
            TransitionMsg, "replay/transitions", self._on_transition, qos.EVENT
        )
        self.create_subscription(AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        self._fetch: Client[FetchTransitions.Request, FetchTransitions.Response]
        self._fetch = self.create_client(FetchTransitions, "replay/fetch")
        self.create_timer(_STATUS_PERIOD_S, self._publish_changes, clock=self.wall_clock)
        self.create_timer(_HEARTBEAT_PERIOD_S, self._publish_status, clock=self.wall_clock)
        self.create_timer(_TICK_PERIOD_S, self._on_tick, clock=self.wall_clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="learner", daemon=True)
        self._failure: Exception | None = None
        self._thread.start()

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong with learning, and its phase."""
        status = self._worker.status
        refused = self._ingestion.refused + status.transitions_refused
        figures = {"phase": status.phase, "rounds": str(status.rounds)}
        figures |= {"refused": str(refused), "lost": str(status.transitions_lost)}
        return self._ingestion.reason or status.reason, figures

    def destroy_node(self) -> None:
        """Stops the worker, which writes its last checkpoint."""
        self._stop.set()
        # Ends a call in flight: a server that gets the same Ctrl-C will not answer it.
        self._client.close()
        self._thread.join()
        super().destroy_node()

    def _work(self) -> None:
        try:
            self._worker.run(self._stop)
        except Exception as error:  # noqa: BLE001
            # Raised again in the executor's thread, where it ends the process with its text.
            self._failure = error

    def _on_transition(self, message: TransitionMsg) -> None:
        self._carry_out(self._ingestion.on_message(row_of(message)))

    def _on_agent(self, message: AgentStatus) -> None:
        if message.session == self.config.session:
            self._carry_out(self._ingestion.on_announced(message.transitions_published))

    def _on_tick(self) -> None:
        status = self._worker.status
        if status.phase != "starting":
            self._carry_out(self._ingestion.on_ready(status.contiguous_sequence))
        self._carry_out(self._ingestion.on_tick())

    def _on_fetched(self, future: Future[FetchTransitions.Response]) -> None:
        response = future.result()
        if future is not self._fetching or response is None:
            return
        rows = [row_of(message) for message in response.transitions]
        self._carry_out(self._ingestion.on_fetched(rows, response.last_sequence))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Fetch(first):
                    self._ask(first)
                case Take(transition):
                    self._worker.put(transition)
                case GiveUp(first, last):
                    self._worker.give_up(first, last)
                case Complain(sentence):
                    self.get_logger().error(sentence, throttle_duration_sec=_COMPLAIN_PERIOD_S)

    def _ask(self, first_sequence: int) -> None:
        if not self._fetch.service_is_ready():
            self._carry_out(self._ingestion.on_unanswered())
            return
        request = FetchTransitions.Request(
            session=self.config.session, first_sequence=first_sequence, max_count=FETCH_COUNT
        )
        if self._fetching is not None:
            self._fetch.remove_pending_request(self._fetching)
        self._fetching = self._fetch.call_async(request)
        self._fetching.add_done_callback(self._on_fetched)

    def _publish_changes(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._worker.status is not self._told:
            self._publish_status()

    def _publish_status(self) -> None:
        self._told = status = self._worker.status
        door = self._ingestion
        message = status_msg(self.config, status, door.refused, door.reason)
        message.header.stamp = self.get_clock().now().to_msg()
        self._status.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_learning learning`."""
    # The second core belongs to acting; small networks gain nothing from more threads.
    torch.set_num_threads(1)
    # Learning hands the interpreter over often, so that transitions are taken in as they come.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    sys.exit(run_node(LearningNode))
