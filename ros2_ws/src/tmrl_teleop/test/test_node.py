"""The node over real DDS: a joystick's driver takes the arm over, and its buttons ask."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from tmrl_msgs import msg, srv
from tmrl_ros import qos
from tmrl_ros.testing import NodeBench
from tmrl_teleop.node import TeleopNode

pytestmark = pytest.mark.ros


class World(Node):
    """A joystick's driver, and whoever listens to the node."""

    def __init__(self) -> None:
        super().__init__("world")
        self.commands: list[msg.TeleopCommand] = []
        self.presses: list[bool] = []
        self.asked: list[str] = []
        self.axes, self.buttons = [0.0] * 8, [0] * 11
        self.joy = self.create_publisher(Joy, "teleop/joy", 10)
        self.twist = self.create_publisher(TwistStamped, "teleop/twist", 10)
        self.arm = self.create_publisher(msg.ArmState, "arm/state", qos.STATE)
        subscribe = self.create_subscription
        subscribe(msg.TeleopCommand, "teleop/command", self.commands.append, qos.STATE)
        subscribe(Bool, "controller/estop", lambda m: self.presses.append(m.data), qos.ANYONES[0])
        self.create_service(Trigger, "controller/resume", self._on_resume)
        self.create_service(srv.LabelEpisode, "operator/label", self._on_label)
        self.create_timer(0.02, self._report)

    def _on_resume(self, _: Any, response: Any) -> Any:
        self.asked.append("resume")
        response.success = True
        return response

    def _on_label(self, request: Any, response: Any) -> Any:
        self.asked.append(f"label {request.outcome} {request.operator_name}")
        response.success = True
        return response

    def _report(self) -> None:
        now = self.get_clock().now().to_msg()
        state = msg.ArmState(robot="widowx", gripper_opening=0.7)
        state.header.stamp, state.header.frame_id = now, "widowx/base"
        state.x_base_tool.orientation.w = 1.0
        self.arm.publish(state)
        joy = Joy(axes=self.axes, buttons=self.buttons)
        joy.header.stamp = now
        self.joy.publish(joy)
        twist = TwistStamped()
        twist.header.stamp = now
        twist.twist.linear.x = 0.05
        self.twist.publish(twist)


class Stack(NodeBench):
    """The node and its world."""

    def __init__(self, domain_id: int, **parameters: object) -> None:
        super().__init__(domain_id, "teleop", {"robot": "widowx", "person": "ada", **parameters})
        self.add(TeleopNode)
        self.world = self.add(World)

    def press(self, button: int, *, down: bool = True) -> None:
        self.world.buttons[button] = int(down)


@pytest.fixture(params=["joy", "twist"])
def stack(request: pytest.FixtureRequest, ros_domain_id: int) -> Iterator[Stack]:
    with Stack(ros_domain_id, device=request.param) as stack:
        yield stack


def test_a_person_takes_over_and_lets_go(stack: Stack) -> None:
    world = stack.world
    stack.until(lambda: world.commands, "a released reading")
    assert not world.commands[-1].active
    world.axes[1] = 1.0
    stack.press(5)
    stack.until(lambda: world.commands[-1].active and world.commands[-1].linear[0] > 0.0, "driving")
    command = world.commands[-1]
    assert (command.robot, command.header.frame_id) == ("widowx", "widowx/base")
    assert command.gripper_opening == pytest.approx(0.7)
    assert command.header.stamp.sec > 0
    stack.press(5, down=False)
    stack.until(lambda: not world.commands[-1].active, "the release")


def test_buttons_stop_resume_and_label(stack: Stack) -> None:
    world = stack.world
    stack.until(lambda: world.commands, "a released reading")
    for button in (7, 3, 6):
        stack.press(button)
    stack.until(lambda: world.presses and len(world.asked) == 2, "what was asked for")
    assert world.presses == [True]
    assert sorted(world.asked) == ["label 0 ada", "resume"]
