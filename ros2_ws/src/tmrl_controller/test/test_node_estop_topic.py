"""Hardware buttons over real DDS: any publisher stops the arm, none of them lets it go again."""

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

from tmrl_controller.testing.world_node import PARAMETERS, Bench
from tmrl_msgs import msg

pytestmark = pytest.mark.ros

RELIABLE = QoSProfile(depth=1)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
EACH = {"reliable": (RELIABLE, 2), "best effort": (BEST_EFFORT, 1)}
"""What a button may offer, and how many of the controller's subscriptions then hear it."""


class Button(Node):
    """A mushroom button's node."""

    def __init__(self, profile):
        super().__init__("button", namespace="cell")
        self.topic = self.create_publisher(Bool, "/controller/estop", profile)

    def press(self):
        self.topic.publish(Bool(data=True))

    def release(self):
        self.topic.publish(Bool(data=False))


@pytest.fixture
def moving(ros_domain_id, tmp_path):
    """A controller in the middle of a chunk, which remembers its e-stop."""
    with Bench(ros_domain_id, PARAMETERS | {"estop_file": str(tmp_path / "estop")}) as bench:
        bench.connect()
        bench.world.publish_state()
        bench.resume()
        bench.world.offer(execute_steps=8)
        bench.until(lambda: len(bench.world.moves) >= 2, "motion")
        yield bench


def mode(bench):
    return bench.world.statuses[-1].mode


@pytest.mark.parametrize(("profile", "heard"), EACH.values(), ids=EACH)
def test_a_button_stops_the_arm_and_is_on_record(moving, tmp_path, profile, heard):
    world, button = moving.world, moving.add(lambda: Button(profile))
    moving.until(lambda: button.topic.get_subscription_count() == heard, "discovery")
    button.release()
    button.press()

    moving.until(lambda: mode(moving) == msg.ControllerStatus.ESTOP, "the e-stop")
    moving.until(lambda: len(world.holds) > 3, "holds")
    first_hold = world.holds[0].sequence
    assert all(move.sequence < first_hold for move in world.moves)
    reason = world.statuses[-1].reason
    assert "topic controller/estop, published by /cell/button, sent at 2" in reason
    assert (tmp_path / "estop").read_text() == reason


def test_a_button_that_says_that_it_is_not_pressed_stops_nothing(moving):
    world, button = moving.world, moving.add(lambda: Button(RELIABLE))
    moving.until(lambda: button.topic.get_subscription_count() == 2, "discovery")
    for _ in range(3):
        button.release()
    moving.until(lambda: world.outcomes, "the end of the chunk")
    world.offer(sequence=2, chunk=1, execute_steps=2)
    moving.until(lambda: len(world.outcomes) == 2, "the next chunk")
    assert [o.result for o in world.outcomes] == [msg.ChunkOutcome.COMPLETED] * 2
    assert mode(moving) == msg.ControllerStatus.POLICY
    assert world.holds == []


def test_letting_go_clears_nothing_and_a_button_held_down_latches_again(moving):
    button = moving.add(lambda: Button(RELIABLE))
    moving.until(lambda: button.topic.get_subscription_count() == 2, "discovery")
    button.press()
    moving.until(lambda: mode(moving) == msg.ControllerStatus.ESTOP, "the e-stop")

    for _ in range(5):
        button.release()
    assert not moving.ask("resume").success
    assert mode(moving) == msg.ControllerStatus.ESTOP

    assert moving.ask("clear_estop", operator_name="Ada").success
    moving.until(lambda: mode(moving) == msg.ControllerStatus.HOLD, "hold")
    button.press()
    moving.until(lambda: mode(moving) == msg.ControllerStatus.ESTOP, "the e-stop again")


def test_the_service_is_on_record_as_well(moving, tmp_path):
    assert "service controller/estop" in moving.ask("estop").message

    moving.until(lambda: mode(moving) == msg.ControllerStatus.ESTOP, "the e-stop")
    assert "service controller/estop" in (tmp_path / "estop").read_text()
