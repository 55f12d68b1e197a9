"""The ROS shell of a person's device."""

import sys
from collections.abc import Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any

from geometry_msgs.msg import TwistStamped
from rclpy.client import Client
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from tmrl_common.clock import SteadyClock
from tmrl_common.types import Outcome
from tmrl_msgs import msg, srv
from tmrl_ros import qos
from tmrl_ros.conversion import from_pose
from tmrl_ros.executor import guarded
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node
from tmrl_teleop import messages
from tmrl_teleop.core import Teleop
from tmrl_teleop.device import DeviceKind, DeviceReader
from tmrl_teleop.effects import Drive, Effect, Press
from tmrl_teleop.local_devices import LOCAL_DEVICES
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.reading import Reading

_LABELS = {Press.SUCCESS: Outcome.SUCCESS, Press.FAILURE: Outcome.FAILURE}


class TeleopNode(TmrlNode[TeleopConfig]):
    """Publishes what a person wants, and asks for what their buttons stand for."""

    def __init__(self, kinds: Mapping[str, DeviceKind] = LOCAL_DEVICES) -> None:
        """Starts to listen to the device; it may come later.

        Args:
            kinds: Those that are read here, by the name in the parameter `device`.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
        """
        super().__init__("teleop", TeleopConfig)
        self._core = Teleop(self.config, SteadyClock())
        self._device_problem = ""
        self._sequence = 0
        self._base_frame = ""
        self._command = self.create_publisher(msg.TeleopCommand, "teleop/command", qos.STATE)
        self._estop = self.create_publisher(Bool, "controller/estop", qos.EVENT)
        self._asked: dict[Press, Client[Any, Any]] = {
            Press.RESUME: self.create_client(Trigger, "controller/resume"),
            Press.HOME: self.create_client(Trigger, "arm/home"),
            Press.SUCCESS: self.create_client(srv.LabelEpisode, "operator/label"),
            Press.FAILURE: self.create_client(srv.LabelEpisode, "operator/label"),
        }
        self.create_subscription(msg.ArmState, "arm/state", self._on_arm, qos.STATE)
        self._news: SimpleQueue[Reading | str] = SimpleQueue()
        self._reader: DeviceReader | None = None
        if kind := kinds.get(self.config.device):
            # Its thread only puts: the core belongs to the executor's.
            put, path = self._news.put, self.config.device_path
            self._reader = DeviceReader(kind, path, self._now_ns, put, put)
        else:
            # Drivers of others may be best effort; such a subscription receives from both kinds.
            kept = qos.IMAGE_OF_OTHERS
            self.create_subscription(Joy, "teleop/joy", self._on_joy, kept)
            self.create_subscription(TwistStamped, "teleop/twist", self._on_twist, kept)
        self.create_timer(1.0 / self.config.rate_hz, self._tick, clock=self.wall_clock)

    def health(self) -> tuple[str, dict[str, str]]:
        """Why the device cannot drive."""
        return self._device_problem or self._core.problem, {"device": self.config.device}

    def destroy_node(self) -> None:
        """Lets the device go, then ends the node."""
        if self._reader is not None:
            self._reader.close()
        super().destroy_node()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_arm(self, message: msg.ArmState) -> None:
        self._base_frame = message.header.frame_id
        _, orientation = from_pose(message.x_base_tool)
        self._core.arm_seen(orientation, message.gripper_opening)

    def _on_joy(self, message: Joy) -> None:
        self._news.put(messages.reading(message, self._now_ns()))

    def _on_twist(self, message: TwistStamped) -> None:
        self._core.velocity_seen(messages.velocity(message, self._now_ns()))

    def _tick(self) -> None:
        if self._reader is not None:
            self._reader.check()
        while not self._news.empty():
            news = self._news.get()
            if isinstance(news, Reading):
                self._carry_out(self._core.reading_seen(news))
            else:
                self._take_problem(news)
        self._carry_out(self._core.tick())

    def _take_problem(self, problem: str) -> None:
        if problem:
            self._core.device_lost()
            if problem != self._device_problem:
                self.get_logger().error(problem)
        self._device_problem = problem

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Drive):
                self._sequence += 1
                self._command.publish(
                    messages.command(effect, self.config, self._sequence, self._base_frame)
                )
            elif effect is Press.ESTOP:
                self._estop.publish(Bool(data=True))
            else:
                self._ask(effect)

    def _ask(self, press: Press) -> None:
        client = self._asked[press]
        if not client.service_is_ready():
            self.get_logger().error(f"{client.service_name} is not there: {press} did nothing")
            return
        request = client.srv_type.Request()
        if press in _LABELS:
            request.outcome, request.operator_name = int(_LABELS[press]), self.config.person
        answered = guarded(self, partial(self._answered, press))
        client.call_async(request).add_done_callback(answered)

    def _answered(self, press: Press, future: Any) -> None:
        answer = future.result()
        if not answer.success:
            self.get_logger().warning(f"{press} was refused: {answer.message}")


def main() -> None:
    """Entry point of `ros2 run tmrl_teleop teleop`."""
    sys.exit(run_node(TeleopNode))
