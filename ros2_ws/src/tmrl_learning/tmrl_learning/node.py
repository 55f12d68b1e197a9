"""The learning node: transitions in, learner/status and actor weights out."""

import sys
import threading
from functools import partial
from typing import Any

import torch

from tmrl_common.clock import SteadyClock
from tmrl_learner.run_config import RunConfig
from tmrl_learner.worker import LearnerWorker, connect
from tmrl_learner.worker_status import WorkerStatus
from tmrl_learning.journal_source import JournalSource
from tmrl_learning.messages import status_msg
from tmrl_learning.pace import BUSY_S
from tmrl_learning.port_source import PortSource
from tmrl_msgs.msg import LearnerStatus
from tmrl_ros import qos
from tmrl_ros.executor import wake
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

_STATUS_PERIOD_S = 0.1
_HEARTBEAT_PERIOD_S = 1.0
_TICK_PERIOD_S = 0.2
_SWITCH_INTERVAL_S = 0.0005


class LearningNode(TmrlNode[RunConfig]):
    """Shell around the worker: transitions from the journal in, wherever that is, status out."""

    def __init__(self) -> None:
        """Starts the worker's thread.

        Raises:
            ParameterError: A parameter is missing, unknown or out of range.
            TransportError: The server's endpoint is none, or a key file cannot be used.
        """
        super().__init__("learning", RunConfig)
        self._client = connect(self.config)
        tell = partial(wake, self, self._publish_status)
        self._worker = LearnerWorker(self.config, self._client, SteadyClock(), tell)
        self._told: dict[str, WorkerStatus] = {}
        self._statuses: dict[str, Any] = {}
        self._sources: dict[str, JournalSource | PortSource] = {}
        self._learn_from(self.config.robot, "")
        for robot in self.config.robots:
            self._learn_from(robot, f"/{robot}/")
        self.create_timer(_STATUS_PERIOD_S, self._publish_changes, clock=self.wall_clock)
        self.create_timer(_HEARTBEAT_PERIOD_S, self._publish_status, clock=self.wall_clock)
        tick_s = BUSY_S if self._goes_through_port else _TICK_PERIOD_S
        self.create_timer(tick_s, self._tick, clock=self.wall_clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="learner", daemon=True)
        self._failure: Exception | None = None
        self._thread.start()

    @property
    def _goes_through_port(self) -> bool:
        return self.config.intake == "port"

    def _learn_from(self, robot: str, namespace: str) -> None:
        """Begins to take an arm's transitions in.

        Args:
            robot: Its name.
            namespace: Of its nodes, with a slash at its end; empty where it is this node's.
        """
        if self._goes_through_port:
            complain = self.get_logger().error
            source = PortSource(self._client, robot, self.config, self._worker, complain)
        else:
            source = JournalSource(self, robot, namespace, self.config, self._worker)
        self._sources[robot] = source
        # An arm behind the port hears it from its uplink, in a ROS graph of its own.
        if not (self._goes_through_port and namespace):
            topic = f"{namespace}learner/status"
            self._statuses[robot] = self.create_publisher(LearnerStatus, topic, qos.STATUS)

    def health(self) -> tuple[str, dict[str, str]]:
        """What is wrong with learning, and its phase."""
        status = self._worker.status
        refused = status.transitions_refused + sum(s.refused for s in self._sources.values())
        figures = {"phase": status.phase, "rounds": str(status.rounds)}
        figures |= {"refused": str(refused), "lost": str(status.transitions_lost)}
        problems = [f"{robot}: {s.reason}" for robot, s in self._sources.items() if s.reason]
        return "; ".join(problems) or status.reason, figures

    def destroy_node(self) -> None:
        """Stops the worker, which writes its last checkpoint."""
        self._stop.set()
        # Ends a call in flight: a server that gets the same Ctrl-C will not answer it.
        self._client.close()
        for source in self._sources.values():
            source.close()
        self._thread.join()
        super().destroy_node()

    def _work(self) -> None:
        try:
            self._worker.run(self._stop)
        except Exception as error:  # noqa: BLE001
            # Raised again in the executor's thread, where it ends the process with its text.
            self._failure = error

    def _tick(self) -> None:
        for source in self._sources.values():
            source.tick()

    def _publish_changes(self) -> None:
        if self._failure is not None:
            raise self._failure
        if any(self._worker.status_of(r) is not self._told.get(r) for r in self._statuses):
            self._publish_status()

    def _publish_status(self) -> None:
        config = self.config
        for robot, topic in self._statuses.items():
            self._told[robot] = status = self._worker.status_of(robot)
            source = self._sources[robot]
            whose = robot, config.session, config.method
            message = status_msg(*whose, status, source.refused, source.reason)
            message.header.stamp = self.get_clock().now().to_msg()
            topic.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_learning learning`."""
    # The second core belongs to acting; small networks gain nothing from more threads.
    torch.set_num_threads(1)
    # Learning hands the interpreter over often, so that transitions are taken in as they come.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    sys.exit(run_node(LearningNode))
