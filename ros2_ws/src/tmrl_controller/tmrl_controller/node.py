"""The ROS shell of the controller: converts, calls the core, publishes what it decides."""

# Generated messages are typed in part only.

from collections.abc import Callable
from functools import partial
from typing import Any

from std_srvs.srv import Trigger

from tmrl_common.service_reply import ServiceReply
from tmrl_controller import diagnostics, messages
from tmrl_controller.clock import HardwareClock, StateClock
from tmrl_controller.config import ControllerConfig, Pacing
from tmrl_controller.core import ControllerCore
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.estop_file import EstopFile
from tmrl_controller.estop_topic import EstopTopic
from tmrl_controller.guard import CoreGuard
from tmrl_controller.hold_confirmation import PendingHolds
from tmrl_controller.reporter import Reporter
from tmrl_controller.ticker import Ticker
from tmrl_msgs import msg, srv
from tmrl_ros import chunk_messages, qos
from tmrl_ros.deferred_service import Answer, serve_deferred
from tmrl_ros.live import LiveParameters
from tmrl_ros.node import TmrlNode


class ControllerNode(TmrlNode[ControllerConfig]):
    """Executes policy/chunk on arm/command within the limits; `ticker` paces it on hardware."""

    def __init__(self) -> None:
        """Declares parameters, topics and services; on hardware, starts to tick.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
        """
        super().__init__("controller", ControllerConfig)
        self._state_clock = StateClock()
        self._is_steady = self.config.pacing == Pacing.STEADY
        hardware_clock = HardwareClock(lambda: self.get_clock().now().nanoseconds)
        self._pacing_clock = hardware_clock if self._is_steady else self._state_clock
        self._core = core = ControllerCore(self.config, self._pacing_clock)
        self._estop_file = EstopFile(self.config.estop_file)
        if reason := self._estop_file.read():
            core.estop(reason)
        self._reporter = Reporter(
            self,
            lambda: self.config,
            self._pacing_clock.stamp_ns,
            self._estop_file,
            wakes=self._is_steady,
        )
        self._frame_id = ""
        self._guard = CoreGuard(core, self._send, self._reporter.take)
        # In simulation every input is an occasion to tick; on hardware the ticker has its own.
        self._tick_on_input = (lambda: None) if self._is_steady else self._tick
        self._command = self.create_publisher(msg.ArmCommand, "arm/command", qos.STATE)
        self.create_subscription(msg.ArmState, "arm/state", self._on_arm_state, qos.STATE)
        on_chunk = partial(self._take, chunk_messages.action_chunk, core.on_chunk)
        self.create_subscription(msg.ActionChunk, "policy/chunk", on_chunk, qos.EVENT)
        on_teleop = partial(self._take, messages.teleop_command, core.on_teleop)
        self.create_subscription(msg.TeleopCommand, "teleop/command", on_teleop, qos.STATE)
        timer = partial(self.create_timer, clock=self.wall_clock)
        self._holds = PendingHolds(partial(self._guard.call, core.unconfirmed_hold))
        timer(0.1, self._holds.look)
        # Its own wake-up is quicker; one that was lost must not keep a chunk's outcome back.
        timer(0.1, self._reporter.deliver)
        estop = EstopTopic(self, core.estop, self._carry_out).presses.by_service
        for name, act in {"hold": core.hold, "resume": core.resume, "estop": estop}.items():
            serve_deferred(self, Trigger, f"controller/{name}", partial(self._answer, act))
        serve_deferred(self, srv.ClearEstop, "controller/clear_estop", self._on_clear_estop)
        timer(1.0, self._publish_status)
        LiveParameters(self, self.config, self._lower_caps)
        self.ticker = Ticker(self.config.tick_period_s, self._tick, self.config.fifo_priority)
        if self._is_steady:
            self.ticker.start()

    def destroy_node(self) -> None:
        """Stops to tick, then destroys the node."""
        self.ticker.stop()
        super().destroy_node()

    def health(self) -> tuple[str, dict[str, str]]:
        """See `diagnostics.health`."""
        problem, failures = self._estop_file.problem, self._guard.failures
        found = self._guard.call(
            lambda: diagnostics.health(self._core, self.ticker, problem, failures)
        )
        return found or ("the controller failed: see its log", {})

    def _on_arm_state(self, message: msg.ArmState) -> None:
        def take() -> None:
            state = chunk_messages.arm_state(message)
            self._frame_id = state.frame_id
            self._state_clock.set(state.stamp_ns)
            self._core.on_arm_state(state)

        self._guard.call(take)
        self._tick_on_input()
        self._holds.look()

    def _take(self, read: Callable[[Any], Any], act: Callable[[Any], None], message: Any) -> None:
        self._guard.call(lambda: act(read(message)))
        self._tick_on_input()

    def _on_clear_estop(self, request: srv.ClearEstop.Request, answer: Answer) -> None:
        self._answer(partial(self._core.clear_estop, request.operator_name), request, answer)

    def _answer(self, act: Callable[[], ServiceReply], _: object, answer: Answer) -> None:
        reply = self._carry_out(act)
        if reply.success and act == self._core.hold:
            # What is asked of the arm next, such as arm/home, must not overtake it.
            self._holds.add(answer)
        else:
            answer(reply)

    def _carry_out(self, act: Callable[[], ServiceReply]) -> ServiceReply:
        reply = self._guard.call(act)
        self._tick()
        self._reporter.deliver()
        return reply or ServiceReply.refused("an error: the arm holds; see the log")

    def _lower_caps(self, config: ControllerConfig) -> None:
        self.config = config
        reply = self._carry_out(lambda: self._core.lower_caps(config.steering_limits))
        self.get_logger().info(reply.message)

    def _tick(self) -> None:
        self._guard.tick()
        if not self._is_steady:
            self._reporter.deliver()

    def _send(self, command: LimitedCommand) -> None:
        message = command.to_arm(self.config.robot, self._frame_id)
        self._command.publish(chunk_messages.arm_command_msg(message))

    def _publish_status(self) -> None:
        listeners = self._command.get_subscription_count(), self._reporter.outcome_listeners
        self._guard.call(lambda: self._core.on_listeners(*listeners))
        if status := self._guard.status():
            self._reporter.take(status)
        self._reporter.deliver()
