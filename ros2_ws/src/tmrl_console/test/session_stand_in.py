"""A session without an arm or a policy, for tests of the console and for looking at its page.

`SessionStandIn` plays operator, agent, learner and a camera; the controller and the arm beside it
may be real ones.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from tmrl_msgs import msg, srv
from tmrl_ros import qos

NONE = 255
_CAMERAS = ("overview", "wrist")
_SIDE_PX = 224


class SessionStandIn(Node):
    """What the console sees of a session.

    Attributes:
        state: Of the episode, a constant of EpisodeState.
        episode: Its number.
        asked: Every request, as service and name of the person.
        labels: Outcome of each labelled episode.
        readings: Every reading of a person's device.
        doubts: Episodes whose label the success head doubts.
    """

    def __init__(self, *, with_controller: bool = False) -> None:
        """Publishes once; `report` does so again.

        Args:
            with_controller: Whether it plays the controller as well.
        """
        super().__init__("session", namespace="widowx")
        self.state, self.episode, self.reason = msg.EpisodeState.IDLE, 0, ""
        self.suggestion = NONE
        self.doubts: list[int] = []
        self.asked: list[tuple[str, str]] = []
        self.labels: dict[int, int] = {}
        self.readings: list[msg.TeleopCommand] = []
        self.mode, self.mode_reason = msg.ControllerStatus.HOLD, "a test holds the arm"
        self.chunks = self.pictures = 0
        make = self.create_publisher
        self._episode = make(msg.EpisodeState, "episode/state", qos.STATUS)
        self._outcome = make(msg.EpisodeOutcome, "episode/outcome", qos.LABELS)
        self._agent = make(msg.AgentStatus, "agent/status", qos.STATUS)
        self._learner = make(msg.LearnerStatus, "learner/status", qos.STATUS)
        self._transition = make(msg.Transition, "replay/transitions", qos.EVENT)
        self._health = make(DiagnosticArray, "/diagnostics", 10)
        self._cameras = {n: make(Image, f"camera/{n}/image", qos.IMAGE) for n in _CAMERAS}
        self.create_subscription(
            msg.TeleopCommand, "teleop/command", self.readings.append, qos.STATE
        )
        self._serve_operator()
        if with_controller:
            self._status = make(msg.ControllerStatus, "controller/status", qos.STATUS)
            self._arm = make(msg.ArmState, "arm/state", qos.STATE)
            self._serve_controller()
        else:
            self._status = self._arm = None
        self.create_timer(0.2, self.report)

    def _serve_operator(self) -> None:
        self._person("operator/start", lambda: self.begin())
        self._person("operator/reset_done", lambda: self.begin())
        self._person("operator/stop", lambda: self.move_to(msg.EpisodeState.IDLE))
        self._person("operator/pause", lambda: self.move_to(msg.EpisodeState.PAUSED, "asked for"))
        self._person("operator/undo", self._undo)
        self.create_service(srv.LabelEpisode, "operator/label", self._on_label)
        self.create_service(srv.DiscardEpisode, "operator/discard", self._on_discard)

    def _serve_controller(self) -> None:
        states = msg.ControllerStatus
        for name, mode in (
            ("hold", states.HOLD),
            ("resume", states.POLICY),
            ("estop", states.ESTOP),
        ):
            self.create_service(Trigger, f"controller/{name}", self._switch(name, mode))
        self.create_service(srv.ClearEstop, "controller/clear_estop", self._on_clear)

    def _person(self, name: str, act: Callable[[], None]) -> None:
        def serve(request: Any, response: Any) -> Any:
            self.asked.append((name, request.operator_name))
            act()
            response.success, response.message = True, f"{name} done"
            return response

        self.create_service(srv.PersonRequest, name, serve)

    def _switch(self, name: str, mode: int) -> Callable[[Any, Any], Any]:
        def serve(_: Any, response: Any) -> Any:
            self.asked.append((f"controller/{name}", ""))
            self.mode, self.mode_reason = mode, f"{name} was requested"
            self.report()
            response.success, response.message = True, name
            return response

        return serve

    def _on_clear(self, request: Any, response: Any) -> Any:
        self.asked.append(("controller/clear_estop", request.operator_name))
        self.mode, self.mode_reason = msg.ControllerStatus.HOLD, "cleared"
        self.report()
        response.success = True
        return response

    def _on_label(self, request: Any, response: Any) -> Any:
        self.asked.append(("operator/label", request.operator_name))
        if self.state != msg.EpisodeState.RUNNING:
            response.success, response.message = False, "no episode runs or waits for its label"
            return response
        self.label(request.outcome)
        self.move_to(msg.EpisodeState.RESETTING, "put the scene back")
        return self._answer(response, request.outcome)

    def _on_discard(self, request: Any, response: Any) -> Any:
        self.asked.append(("operator/discard", request.operator_name))
        self.label(msg.EpisodeOutcome.DISCARDED)
        self.move_to(msg.EpisodeState.RESETTING, "put the scene back")
        return self._answer(response, msg.EpisodeOutcome.DISCARDED)

    def _answer(self, response: Any, outcome: int) -> Any:
        response.success, response.episode = True, self.episode
        response.outcome, response.outcome_before = outcome, NONE
        response.message = f"episode {self.episode} is labelled"
        return response

    def _undo(self) -> None:
        self.labels.pop(self.episode, None)
        self.label(msg.EpisodeOutcome.DISCARDED)

    def begin(self) -> None:
        """The next episode runs."""
        self.episode += 1
        self.move_to(msg.EpisodeState.RUNNING)

    def move_to(self, state: int, reason: str = "") -> None:
        """The episode is in another state."""
        self.state, self.reason = state, reason
        self.report()

    def label(self, outcome: int) -> None:
        """The newest episode has a label."""
        self.labels[self.episode] = outcome
        self._outcome.publish(
            msg.EpisodeOutcome(
                robot="widowx",
                session="run",
                episode=self.episode,
                outcome=outcome,
                source="operator",
            )
        )

    def report(self) -> None:
        """Publishes where everything stands."""
        state = msg.EpisodeState(
            robot="widowx", session="run", episode=self.episode, state=self.state
        )
        state.reason, state.time_limit_s = self.reason, 20.0
        state.suggestion, state.suggestion_confidence = self.suggestion, 0.9
        state.started.sec, state.header.stamp.sec = 100, 107
        self._episode.publish(state)
        self._agent.publish(
            msg.AgentStatus(session="run", server_connected=True, round_trip_s=0.042)
        )
        self._learner.publish(
            msg.LearnerStatus(
                session="run", method="tmrl", phase="training", transitions_stored=640, rounds=12000
            )
        )
        beats = [
            DiagnosticStatus(level=DiagnosticStatus.OK, hardware_id=f"widowx/{part}", message="ok")
            for part in ("agent", "operator", "learning")
        ]
        head = DiagnosticStatus(hardware_id="widowx/success_head", message="ok")
        look_again = " ".join(map(str, self.doubts))
        head.values = [
            KeyValue(key="state", value="suggests: precision 97 %"),
            KeyValue(key="look_again", value=look_again),
        ]
        self._health.publish(DiagnosticArray(status=[*beats, head]))
        if self._status is not None and self._arm is not None:
            status = msg.ControllerStatus(robot="widowx", mode=self.mode, reason=self.mode_reason)
            status.sigma_cap, status.z_cap = 1.0, 4.0
            self._status.publish(status)
            self._arm.publish(msg.ArmState(robot="widowx", gripper_command=0.75))
        self.show()

    def propose(self, sigma: float, z: float, *, driven: bool = False) -> None:
        """A chunk has moved the arm."""
        self.chunks += 1
        driver = msg.ChunkOutcome.DRIVER_TELEOP if driven else msg.ChunkOutcome.DRIVER_POLICY
        self._transition.publish(
            msg.Transition(
                session="run",
                episode=self.episode,
                chunk=self.chunks,
                sigma=sigma,
                z=[z, -z / 2.0],
                steering=msg.ActionChunk.STEERING_ACTOR,
                driver=[driver] * 2,
                clamped=driven,
            )
        )

    def show(self) -> None:
        """The cameras send a picture each: a square that moves over a gradient."""
        self.pictures += 1
        for shift, publisher in enumerate(self._cameras.values()):
            if publisher.get_subscription_count() == 0:
                continue
            ramp = np.linspace(40, 150, _SIDE_PX, dtype=np.uint8)
            scene = np.stack(
                [np.broadcast_to(ramp + 30 * c, (_SIDE_PX, _SIDE_PX)) for c in (0, 1, 2)]
            )
            scene = np.ascontiguousarray(np.moveaxis(scene, 0, -1))
            at = int(96 + 60 * math.sin(0.3 * self.pictures + shift))
            scene[at : at + 30, at : at + 30] = (220, 60 + 90 * shift, 40)
            image = Image(height=_SIDE_PX, width=_SIDE_PX, step=3 * _SIDE_PX, encoding="rgb8")
            image.data.frombytes(scene.tobytes())
            publisher.publish(image)
