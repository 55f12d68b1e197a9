"""The operator node: topics and services around the episode state machine."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from std_srvs.srv import Trigger

from tmrl_common.clock import SteadyClock
from tmrl_common.types import Outcome
from tmrl_msgs import msg, srv
from tmrl_operator import messages
from tmrl_operator.episode import EpisodeMachine, RefusedError, Shell, State
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.requests import Request
from tmrl_ros import qos
from tmrl_ros.conversion import nanoseconds
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

_TICK_S = 0.05
_STATE_PERIOD_S = 1.0


class OperatorNode(TmrlNode[OperatorConfig]):
    """Shell of the episode state machine."""

    def __init__(self) -> None:
        """Opens the ledger and connects the machine.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            LedgerError: The session's ledger is damaged.
        """
        super().__init__("operator", OperatorConfig)
        self._state = self.create_publisher(msg.EpisodeState, "episode/state", qos.STATUS)
        self._outcome = self.create_publisher(msg.EpisodeOutcome, "episode/outcome", qos.LABELS)
        ledger = Ledger(Path(self.config.run_dir) / "episodes.jsonl")
        shell = Shell(self._request, self._publish_label, self._publish_state)
        self._machine = EpisodeMachine(self.config, ledger, SteadyClock(), shell)
        self._unsent: tuple[Request, int] | None = None
        self._asked = {
            Request.HOLD: self.create_client(Trigger, "controller/hold"),
            Request.RESUME: self.create_client(Trigger, "controller/resume"),
            Request.DRIVE_HOME: self.create_client(Trigger, "arm/home"),
            Request.RESET_SCENE: self.create_client(srv.ResetScene, "scene/reset"),
        }
        listen = self.create_subscription
        listen(msg.SuccessDetection, "task/success", self._on_success, qos.EVENT)
        listen(msg.ArmState, "arm/state", self._on_arm, qos.STATE)
        listen(msg.ControllerStatus, "controller/status", self._on_controller, qos.STATUS)
        listen(msg.AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        listen(msg.LearnerStatus, "learner/status", self._on_learner, qos.STATUS)
        self._serve()
        self.create_timer(_TICK_S, self._tick, clock=self.wall_clock)
        self.create_timer(_STATE_PERIOD_S, self._publish_state, clock=self.wall_clock)
        self._publish_state()
        # A crash may have come between ledger and topic; who knows a label already passes it over.
        for label in ledger.labels.values():
            self._publish_label(label)

    def health(self) -> tuple[str, dict[str, str]]:
        """Why the session is paused, and where it stands."""
        state, reason, episode = self._machine.state, self._machine.reason, self._machine.episode
        trouble = reason if state is State.PAUSED else ""
        return trouble, {"state": state.name, "episode": str(episode)}

    def _serve(self) -> None:
        machine = self._machine
        self._service(Trigger, "start", lambda _: machine.start())
        self._service(Trigger, "stop", lambda _: machine.stop())
        self._service(Trigger, "reset_done", lambda _: machine.reset_done())
        self._service(srv.LabelEpisode, "label", self._label)
        self._service(srv.RelabelEpisode, "relabel", self._relabel)
        self._service(srv.DiscardEpisode, "discard", lambda r: machine.discard(r.episode))

    def _label(self, request: srv.LabelEpisode.Request) -> None:
        stamp_ns, outcome = nanoseconds(request.stamp), Outcome(request.outcome)
        self._machine.label(outcome, stamp_ns, request.operator_name)

    def _relabel(self, request: srv.RelabelEpisode.Request) -> None:
        self._machine.relabel(request.episode, Outcome(request.outcome), request.operator_name)

    def _service(self, kind: Any, name: str, action: Callable[[Any], None]) -> None:
        """Serves `operator/<name>`: a refusal is an answer, everything else a fault."""

        def serve(request: Any, response: Any) -> Any:
            try:
                action(request)
            except (RefusedError, ValueError) as error:
                response.success, response.message = False, str(error)
            else:
                response.success, response.message = True, self._machine.state.name.lower()
            return response

        self.create_service(kind, f"operator/{name}", serve)

    def _on_success(self, message: msg.SuccessDetection) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        if message.ground_truth:
            self._machine.heard_truth(stamp_ns, message.detail, success=message.success)

    def _on_arm(self, message: msg.ArmState) -> None:
        self._machine.heard_arm(nanoseconds(message.header.stamp), message.sequence)

    def _on_controller(self, message: msg.ControllerStatus) -> None:
        self._machine.heard_controller(*messages.controller_news(message))

    def _on_agent(self, message: msg.AgentStatus) -> None:
        if message.session == self.config.session:
            self._machine.heard_agent(message.agent_epoch, messages.agent_trouble(message))

    def _on_learner(self, message: msg.LearnerStatus) -> None:
        if message.session == self.config.session and message.phase != "starting":
            self._machine.heard_learner()

    def _tick(self) -> None:
        self._machine.tick()
        if self._unsent is not None:
            self._request(*self._unsent)

    def _request(self, request: Request, seed: int) -> None:
        """Calls a service as soon as it is there; the machine minds the time."""
        client = self._asked[request]
        self._unsent = None if client.service_is_ready() else (request, seed)
        if self._unsent is None:
            reset = request is Request.RESET_SCENE
            call = srv.ResetScene.Request(seed=seed) if reset else Trigger.Request()
            client.call_async(call).add_done_callback(lambda f: self._answered(request, f.result()))

    def _answered(self, request: Request, answer: Any) -> None:
        sequence = answer.arm_state_sequence if request is Request.RESET_SCENE else 0
        self._machine.answered(request, answer.message, sequence, success=answer.success)

    def _publish_label(self, label: Label) -> None:
        self._outcome.publish(messages.label_msg(label, self.config))

    def _publish_state(self) -> None:
        message = messages.state_msg(self._machine, self.config)
        message.header.stamp = self.get_clock().now().to_msg()
        self._state.publish(message)


def main() -> None:
    """Entry point of `ros2 run tmrl_operator operator`."""
    sys.exit(run_node(OperatorNode))
