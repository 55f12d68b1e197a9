"""What the rest of the stack is to an arm's node, for tests over real DDS."""

# Generated messages are typed in part only.

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from tmrl_msgs.msg import ArmCommand, ArmState
from tmrl_ros import qos
from tmrl_ros.network import enter_ros
from tmrl_ros.testing import parameter_arguments, spin_until

TIMEOUT_S = 30.0


def start_arm(robot: str, **parameters: object) -> subprocess.Popen[str]:
    """Starts the node in the namespace of the robot; `group__name` is the parameter group.name."""
    program = Path(get_package_prefix("tmrl_arm"), "lib", "tmrl_arm", "arm")
    grouped = {name.replace("__", "."): value for name, value in parameters.items()}
    arguments = [*parameter_arguments({"robot": robot} | grouped), "-r", f"__ns:=/{robot}"]
    return subprocess.Popen([program, *arguments], stderr=subprocess.PIPE, text=True)


def figures_of(status: DiagnosticStatus) -> dict[str, str]:
    """What a diagnostic status says beside its message."""
    return {pair.key: pair.value for pair in status.values}


class ArmClient:
    """Listens to an arm, commands it, calls its services.

    Attributes:
        states: Every state received.
        joints: Every message on joint_states received.
        poses: Every message on arm/tool_pose received.
        descriptions: Every message on robot_description received.
        statuses: Every diagnostic status of the arm's node received.
    """

    def __init__(self, robot: str, domain_id: int) -> None:
        """Opens a node of its own."""
        self._robot = robot
        self._context = rclpy.Context()
        enter_ros([], self._context, domain_id)
        self._node = rclpy.create_node("client", namespace=f"/{robot}", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.states: list[ArmState] = []
        self.joints: list[JointState] = []
        self.poses: list[PoseStamped] = []
        self.descriptions: list[String] = []
        self.statuses: list[DiagnosticStatus] = []
        self._node.create_subscription(ArmState, "arm/state", self.states.append, qos.STATE)
        self._node.create_subscription(JointState, "joint_states", self.joints.append, qos.STATE)
        self._node.create_subscription(PoseStamped, "arm/tool_pose", self.poses.append, qos.STATE)
        self._node.create_subscription(
            String, "robot_description", self.descriptions.append, qos.STATUS
        )
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, 10)
        self._command = self._node.create_publisher(ArmCommand, "arm/command", qos.STATE)

    def close(self) -> None:
        """Ends the node."""
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    @property
    def newest(self) -> ArmState:
        """The newest state."""
        return self.states[-1]

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Spins until the condition holds.

        Raises:
            TimeoutError: It did not within TIMEOUT_S.
        """
        spin_until(self._executor, condition, what, TIMEOUT_S)

    def first_state(self) -> ArmState:
        """Waits until both sides know each other."""
        self.wait(
            lambda: self.states and self._command.get_subscription_count(), "the arm's first state"
        )
        return self.newest

    def next_state(self) -> ArmState:
        """Waits for a state that is not here yet."""
        count = len(self.states)
        self.wait(lambda: len(self.states) > count, "a state")
        return self.newest

    def send(self, mode: int, **fields: Any) -> None:
        """Publishes a command that answers the newest state: to where the tool is, by default."""
        newest = self.newest
        message = ArmCommand(
            robot=self._robot,
            mode=mode,
            arm_state_sequence=newest.sequence,
            x_base_tool=newest.x_base_tool,
            gripper_opening=newest.gripper_command,
            duration_s=0.2,
            valid_for_s=0.4,
        )
        for name, value in fields.items():
            setattr(message, name, value)
        self._command.publish(message)

    def ask(self, service: str) -> Future[Trigger.Response]:
        """Calls a service without waiting for the answer."""
        client: Client[Trigger.Request, Trigger.Response]
        client = self._node.create_client(Trigger, service)
        self.wait(client.service_is_ready, service)
        return client.call_async(Trigger.Request())

    def call(self, service: str) -> Trigger.Response:
        """Calls a service and waits for the answer."""
        future = self.ask(service)
        self.wait(future.done, f"the answer of {service}")
        response = future.result()
        assert response is not None
        return response

    def wait_for_health(self, condition: Callable[[DiagnosticStatus], Any], what: str) -> None:
        """Spins until the newest diagnostic status is as wanted; there may be none yet."""
        self.wait(lambda: self.statuses and condition(self.statuses[-1]), what)

    def wait_for_figure(self, name: str, condition: Callable[[str], Any]) -> None:
        """Spins until the newest diagnostic status gives a figure that is as wanted."""
        self.wait_for_health(lambda status: condition(figures_of(status)[name]), name)

    def _on_health(self, message: DiagnosticArray) -> None:
        mine = f"/{self._robot}/arm"
        self.statuses += [status for status in message.status if status.name == mine]
