"""The node over real DDS: a joystick's driver takes the arm over, and its buttons ask."""

from collections.abc import Callable, Iterator
from pathlib import Path
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
from tmrl_teleop.testing import ABS_Y, BACK, RB, MadeUpGamepad

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

    def __init__(
        self,
        domain_id: int,
        make: Callable[[], TeleopNode] = TeleopNode,
        **parameters: object,
    ) -> None:
        super().__init__(domain_id, "teleop", {"robot": "widowx", "person": "ada", **parameters})
        self.node = self.add(make)
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


def test_a_gamepad_drives_and_is_let_go_of_when_it_is_pulled_out(
    ros_domain_id: int, tmp_path: Path
) -> None:
    pad = MadeUpGamepad(tmp_path / "event5")
    with Stack(
        ros_domain_id,
        lambda: TeleopNode({"gamepad": pad.kind}),
        device="gamepad",
        device_path=pad.path,
    ) as stack:
        world = stack.world
        stack.until(lambda: "cannot be opened" in stack.node.health()[0], "the absence to be said")
        pad.plug_in()
        stack.until(lambda: world.commands, "a released reading")
        assert stack.node.health()[0] == ""
        pad.push(ABS_Y, -32768)
        pad.press(RB)
        stack.until(lambda: world.commands[-1].active, "driving")
        stack.until(lambda: world.commands[-1].linear[0] == pytest.approx(0.1), "all the way")
        assert world.commands[-1].device == "gamepad"
        first = world.commands[-1].header.stamp
        stack.until(lambda: world.commands[-1].header.stamp != first, "a newer stamp")
        assert world.commands[-1].active, "held still, and driving"
        pad.press(BACK)
        stack.until(lambda: world.presses, "the e-stop")
        pad.unplug()
        stack.until(lambda: not world.commands[-1].active, "the release")
        assert not any(world.commands[-1].linear)
        stack.until(lambda: "plug it in" in stack.node.health()[0], "the loss to be said")
        count = len(world.commands)
        pad.plug_in()
        stack.until(lambda: "let go of it once" in stack.node.health()[0], "a held pad to be said")
        assert not any(command.active for command in world.commands[count:])
        pad.press(RB, down=False)
        stack.until(lambda: stack.node.health()[0] == "", "the release")
        pad.press(RB)
        stack.until(lambda: world.commands[-1].active, "driving again")
