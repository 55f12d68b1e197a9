"""The operator node: topics and services around the episode state machine."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.task import Future
from std_srvs.srv import Trigger
from tmrl_common.clock import SteadyClock
from tmrl_common.types import Outcome
from tmrl_msgs.msg import (
    AgentStatus,
    ArmState,
    ControllerStatus,
    EpisodeOutcome,
    EpisodeState,
    LearnerStatus,
    SuccessDetection,
)
from tmrl_msgs.srv import DiscardEpisode, LabelEpisode, RelabelEpisode, ResetScene
from tmrl_ros import qos
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

from tmrl_operator.episode import EpisodeMachine, RefusedError, Request, Shell, State
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig

_TICK_S = 0.05
_STATE_PERIOD_S = 1.0
_TROUBLE = {ControllerStatus.ESTOP: "e-stop", ControllerStatus.FAULT: "controller fault"}


class OperatorNode(TmrlNode[OperatorConfig]):
    """Shell of the episode state machine."""

    def __init__(self) -> None:
        """Opens the ledger and connects the machine.

        Raises:
            ParameterError: A parameter is missing, unknown or out of range.
            LedgerError: The session's ledger is damaged.
        """
        super().__init__("operator", OperatorConfig)
        self._state = self.create_publisher(EpisodeState, "episode/state", qos.STATUS)
        self._outcome = self.create_publisher(EpisodeOutcome, "episode/outcome", qos.LABELS)
        ledger = Ledger(Path(self.config.run_dir) / "episodes.jsonl")
        shell = Shell(self._request, self._publish_label, self._publish_state)
        self._machine = EpisodeMachine(self.config, ledger, SteadyClock(), shell)
        self._subscribe()
        self._serve()
        self._hold = self.create_client(Trigger, "controller/hold")
        self._resume = self.create_client(Trigger, "controller/resume")
        self._home = self.create_client(Trigger, "arm/home")
        self._reset_scene = self.create_client(ResetScene, "scene/reset")
        self.create_timer(_TICK_S, self._machine.tick, clock=self.wall_clock)
        self.create_timer(_STATE_PERIOD_S, self._publish_state, clock=self.wall_clock)
        self._publish_state()

    def health(self) -> tuple[str, dict[str, str]]:
        """Why the session is paused, and where it stands."""
        machine = self._machine
        trouble = machine.reason if machine.state is State.PAUSED else ""
        return trouble, {"state": machine.state.name, "episode": str(machine.episode)}

    def _subscribe(self) -> None:
        machine = self._machine
        self.create_subscription(
            SuccessDetection,
            "task/success",
            lambda m: machine.heard_success(
                nanoseconds(m.header.stamp), m.success, m.ground_truth, m.detail
            ),
            qos.EVENT,
        )
        self.create_subscription(
            ArmState,
            "arm/state",
            lambda m: machine.heard_arm(nanoseconds(m.header.stamp), m.sequence),
            qos.STATE,
        )
        self.create_subscription(
            ControllerStatus, "controller/status", self._on_controller, qos.STATUS
        )
        self.create_subscription(
            AgentStatus,
            "agent/status",
            lambda m: machine.heard_agent(m.server_connected),
            qos.STATUS,
        )
        self.create_subscription(LearnerStatus, "learner/status", self._on_learner, qos.STATUS)

    def _serve(self) -> None:
        machine = self._machine
        for name, action in (
            ("start", machine.start),
            ("stop", machine.stop),
            ("reset_done", machine.reset_done),
        ):
            self._service(Trigger, name, lambda _, action=action: action())
        self._service(
            LabelEpisode,
            "label",
            lambda r: machine.label(Outcome(r.outcome), nanoseconds(r.stamp), r.operator_name),
        )
        self._service(
            RelabelEpisode,
            "relabel",
            lambda r: machine.relabel(r.episode, Outcome(r.outcome), r.operator_name),
        )
        self._service(DiscardEpisode, "discard", lambda r: machine.discard(r.episode))

    def _service(self, kind: Any, name: str, action: Callable[[Any], None]) -> None:  # noqa: ANN401
        """Serves `operator/<name>`: a refusal is an answer, everything else a fault."""

        def serve(request: Any, response: Any) -> Any:  # noqa: ANN401
            try:
                action(request)
            except (RefusedError, ValueError) as error:
                response.success, response.message = False, str(error)
            else:
                response.success, response.message = True, self._machine.state.name.lower()
            return response

        self.create_service(kind, f"operator/{name}", serve)

    def _on_controller(self, message: ControllerStatus) -> None:
        trouble = _TROUBLE.get(message.mode, "")
        self._machine.heard_controller(f"{trouble}: {message.reason}" if trouble else "")

    def _on_learner(self, message: LearnerStatus) -> None:
        if message.session == self.config.session and message.phase != "starting":
            self._machine.heard_learner(message.rounds_owed)

    def _request(self, request: Request, seed: int) -> None:
        clients = {
            Request.HOLD: (self._hold, Trigger.Request()),
            Request.RESUME: (self._resume, Trigger.Request()),
            Request.DRIVE_HOME: (self._home, Trigger.Request()),
            Request.RESET_SCENE: (self._reset_scene, ResetScene.Request(seed=seed)),
        }
        client, message = clients[request]
        if not client.service_is_ready():
            self._machine.answered(request, False, f"{client.srv_name} is not there")
            return

        def done(future: Future) -> None:
            response = future.result()
            sequence = getattr(response, "arm_state_sequence", 0)
            self._machine.answered(request, response.success, response.message, sequence)

        client.call_async(message).add_done_callback(done)

    def _publish_label(self, label: Label) -> None:
        message = EpisodeOutcome(
            robot=self.config.robot,
            session=self.config.session,
            episode=label.episode,
            outcome=int(label.outcome),
            source=label.source,
            detail=label.detail,
            revision=label.revision,
        )
        message.header.stamp = stamp_of_nanoseconds(label.stamp_ns)
        self._outcome.publish(message)

    def _publish_state(self) -> None:
        machine = self._machine
        message = EpisodeState(
            robot=self.config.robot,
            session=self.config.session,
            episode=machine.episode,
            state=int(machine.state),
            reason=machine.reason,
            time_limit_s=self.config.time_limit_s,
            first_arm_state_sequence=machine.first_arm_state_sequence,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        message.started = stamp_of_nanoseconds(machine.started_ns)
        self._state.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_operator operator`."""
    sys.exit(run_node(OperatorNode))
