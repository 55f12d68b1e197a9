"""The operator node: topics and services around the episode state machine."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.client import Client
from rclpy.task import Future
from std_srvs.srv import Trigger

from tmrl_common.clock import SteadyClock
from tmrl_msgs import msg, srv
from tmrl_operator import events as ev
from tmrl_operator import messages
from tmrl_operator.effects import Ask, Effect, KeepLabel, PublishLabel, PublishState, Say
from tmrl_operator.episode import EpisodeMachine
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.requests import Request
from tmrl_operator.services import serve_people
from tmrl_operator.states import State
from tmrl_ros import qos
from tmrl_ros.executor import guarded
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
        self._machine = EpisodeMachine(self.config, ledger, SteadyClock())
        self._unsent: Ask | None = None
        self._asked: dict[Request, Client[Any, Any]] = {
            Request.HOLD: self.create_client(Trigger, "controller/hold"),
            Request.RESUME: self.create_client(Trigger, "controller/resume"),
            Request.DRIVE_HOME: self.create_client(Trigger, "arm/home"),
            Request.RESET_SCENE: self.create_client(srv.ResetScene, "scene/reset"),
        }
        listen = self.create_subscription
        listen(msg.SuccessDetection, "task/success", self._on_success, qos.VERDICT)
        listen(msg.ArmState, "arm/state", self._on_arm, qos.STATE)
        listen(msg.ControllerStatus, "controller/status", self._on_controller, qos.STATUS)
        listen(msg.AgentStatus, "agent/status", self._on_agent, qos.STATUS)
        listen(msg.LearnerStatus, "learner/status", self._on_learner, qos.STATUS)
        serve_people(self.create_service, self._machine, ledger, self._carry_out)
        self.create_timer(_TICK_S, self._tick, clock=self.wall_clock)
        self.create_timer(_STATE_PERIOD_S, self._publish_state, clock=self.wall_clock)
        self._publish_state()
        # A crash may have come between ledger and topic; who knows a label already passes it over.
        for label in ledger.labels.values():
            self._publish_label(label)

    def health(self) -> tuple[str, dict[str, str]]:
        """Why the session is paused, and where it stands."""
        trouble = self._machine.reason if self._machine.state is State.PAUSED else ""
        return trouble, {"state": self._machine.state.name, "episode": str(self._machine.episode)}

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._request(effect)
                case PublishLabel(label):
                    self._publish_label(label)
                case KeepLabel():
                    pass
                case PublishState():
                    self._publish_state()
                case Say(text):
                    self.get_logger().info(text)

    def _on_success(self, message: msg.SuccessDetection) -> None:
        if message.ground_truth:
            self._carry_out(self._machine.verdict_seen(messages.to_verdict(message)))
        else:
            self._carry_out(self._machine.suggested(messages.to_suggestion(message)))

    def _on_arm(self, message: msg.ArmState) -> None:
        self._carry_out(self._machine.arm_seen(messages.to_arm(message)))

    def _on_controller(self, message: msg.ControllerStatus) -> None:
        self._carry_out(self._machine.controller_seen(messages.controller_news(message)))

    def _on_agent(self, message: msg.AgentStatus) -> None:
        if message.session == self.config.session:
            self._carry_out(self._machine.agent_seen(messages.agent_news(message)))

    def _on_learner(self, message: msg.LearnerStatus) -> None:
        if message.session == self.config.session and message.phase != "starting":
            self._carry_out(self._machine.learner_started(ev.LearnerStarted()))

    def _tick(self) -> None:
        self._carry_out(self._machine.tick(ev.Tick()))
        if self._unsent is not None:
            self._request(self._unsent)

    def _request(self, asked: Ask) -> None:
        """Calls a service as soon as it is there; the machine minds the time."""
        client = self._asked[asked.request]
        self._unsent = None if client.service_is_ready() else asked
        if self._unsent is None:
            call = client.call_async(messages.service_request(asked))
            call.add_done_callback(guarded(self, partial(self._answered, asked)))

    def _answered(self, asked: Ask, answer: "Future[Any]") -> None:
        reply = messages.to_answered(asked, answer.result())
        self._carry_out(self._machine.answered(reply))

    def _publish_label(self, label: Label) -> None:
        self._outcome.publish(messages.label_msg(label, self.config))

    def _publish_state(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self._state.publish(messages.state_msg(self._machine, self.config, stamp))


def main() -> None:
    """Entry point of `ros2 run tmrl_operator operator`."""
    sys.exit(run_node(OperatorNode))
