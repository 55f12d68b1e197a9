"""The node over real DDS: what a driver, an agent and a person get to see of it."""

import itertools
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

from tmrl_controller.config import Pacing
from tmrl_controller.testing import CONFIG

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from diagnostic_msgs.msg import DiagnosticArray
from std_srvs.srv import Trigger

from tmrl_controller.testing.world_node import PARAMETERS, PERIOD_S, Bench
from tmrl_msgs import msg
from tmrl_ros import qos
from tmrl_ros.conversion import to_seconds
from tmrl_ros.parameters import ParameterError

pytestmark = pytest.mark.ros


def bench(domain_id, **parameters):
    with Bench(domain_id, PARAMETERS | parameters) as made:
        made.connect()
        yield made


@pytest.fixture
def hardware(ros_domain_id):
    yield from bench(ros_domain_id)


@pytest.fixture
def lock_step(ros_domain_id):
    for ready in bench(ros_domain_id, pacing=Pacing.LOCK_STEP.value):
        ready.world.answers_commands = True
        yield ready


def test_a_chunk_above_the_sigma_cap_is_refused_and_the_next_good_one_moves(hardware):
    world = hardware.world
    world.publish_state()
    hardware.resume()

    world.offer(sigma=0.95)
    hardware.until(lambda: len(world.outcomes) == 1, "a refusal")
    assert world.commands == []
    refusal = world.outcomes[0]
    assert refusal.result == msg.ChunkOutcome.REFUSED
    assert refusal.code == "sigma_above_cap"
    assert "sigma is 0.95, this rig's cap is 0.8" in refusal.reason
    hardware.until(lambda: world.statuses[-1].chunks_refused == 1, "a status with the refusal")
    assert world.statuses[-1].last_refusal_code == "sigma_above_cap"
    assert world.statuses[-1].sigma_cap == CONFIG.sigma_cap

    world.offer(sequence=2, execute_steps=2)
    hardware.until(
        lambda: len(world.outcomes) == len(world.moves) == 2, "the good chunk, from end to end"
    )
    outcome = world.outcomes[1]
    assert outcome.result == msg.ChunkOutcome.COMPLETED
    assert [move.x_base_tool.position.x for move in world.moves] == pytest.approx([0.285, 0.295])
    assert {move.header.frame_id for move in world.moves} == {"widowx/base"}
    actions = np.array(outcome.executed_actions).reshape(2, 7)
    assert actions[:, 0] == pytest.approx([0.01, 0.01])
    assert list(outcome.driver) == [msg.ChunkOutcome.DRIVER_POLICY] * 2
    assert len(outcome.step_ends) == 2


def test_the_estop_stops_latches_and_needs_a_name(hardware):
    world = hardware.world
    world.publish_state()
    hardware.resume()
    world.offer(execute_steps=8)
    hardware.until(lambda: len(world.moves) >= 2, "motion")

    assert hardware.ask("estop").success
    moved = len(world.moves)
    hardware.until(
        lambda: len(world.commands) > moved + 5 and world.outcomes, "holds and the outcome"
    )

    assert world.outcomes[0].code == "estop"
    # A move that was on the wire when the e-stop was answered still counts as before it.
    first_hold = next(c.sequence for c in world.commands if c.mode == msg.ArmCommand.HOLD)
    assert all(move.sequence < first_hold for move in world.moves)
    assert not hardware.ask("resume").success
    assert not hardware.ask("clear_estop", operator_name=" ").success
    hardware.until(
        lambda: world.statuses[-1].mode == msg.ControllerStatus.ESTOP, "a status with the latch"
    )
    assert hardware.ask("clear_estop", operator_name="Ada").success
    hardware.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.HOLD, "hold")
    assert "Ada" in world.statuses[-1].reason


def test_its_status_says_whom_it_waits_for(ros_domain_id):
    with Bench(ros_domain_id, PARAMETERS) as alone:
        world = alone.world
        alone.until(lambda: world.statuses, "a status")
        assert "no arm state" in world.statuses[-1].waits_for
        alone.until(world.state_publisher.get_subscription_count, "discovery")
        world.publish_state()
        alone.until(lambda: not world.statuses[-1].waits_for, "everybody to be there")
        world.destroy_subscription(world.outcome_subscription)
        alone.until(lambda: "controller/outcome" in world.statuses[-1].waits_for, "the absence")


def test_an_estop_before_the_first_state_of_the_arm_tells_its_driver_to_hold(hardware):
    world = hardware.world

    assert hardware.ask("estop").success
    hardware.until(lambda: len(world.commands) > 2, "holds, repeated")

    assert {command.mode for command in world.commands} == {msg.ArmCommand.HOLD}
    assert {command.robot for command in world.commands} == {CONFIG.robot}


def test_an_estop_survives_a_restart_of_the_node_until_a_person_clears_it(ros_domain_id, tmp_path):
    estop_file = {"estop_file": str(tmp_path / "estop")}
    for first in bench(ros_domain_id, **estop_file):
        assert first.ask("estop").success

    for second in bench(ros_domain_id, **estop_file):
        second.world.publish_state()
        second.until(
            lambda world=second.world: world.statuses[-1].mode == msg.ControllerStatus.ESTOP,
            "the latch of the life before",
        )
        assert not second.ask("resume").success
        assert second.ask("clear_estop", operator_name="Ada").success

    for third in bench(ros_domain_id, **estop_file):
        third.world.publish_state()
        third.resume()


def test_its_health_is_on_diagnostics(hardware):
    heard = []
    hardware.world.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)

    def of_the_controller():
        named = (s for array in heard for s in array.status if s.name == "/controller")
        return {value.key: value.value for status in named for value in status.values}

    hardware.until(lambda: float(of_the_controller().get("ticks", 0)) > 0, "a heartbeat")

    told = of_the_controller()
    assert told["mode"] == "hold"
    assert told["scheduling"] == "normal scheduling, as configured"
    assert float(told["tick_late_max_ms"]) >= float(told["tick_late_p99_ms"]) >= 0.0


def test_in_lock_step_the_simulation_paces_the_chunk(lock_step):
    world = lock_step.world
    world.publish_state()
    lock_step.resume()

    world.offer(execute_steps=5)
    lock_step.until(lambda: world.outcomes, "the end of the chunk")

    outcome = world.outcomes[0]
    assert outcome.result == msg.ChunkOutcome.COMPLETED
    ends_s = [to_seconds(stamp) for stamp in outcome.step_ends]
    assert ends_s == pytest.approx([100.0 + PERIOD_S * (n + 1) for n in range(5)])
    assert outcome.arm_state_sequence == world.sequence
    assert len(world.commands) == 5
    assert math.isclose(world.position_m[0], 0.325, abs_tol=1e-6)


def test_a_missing_limit_is_named_and_keeps_the_node_from_starting(ros_domain_id):
    parameters = PARAMETERS.copy()
    del parameters["sigma_cap"]
    with pytest.raises(ParameterError, match="sigma_cap is missing"):
        Bench(ros_domain_id, parameters)


def test_a_person_takes_over_and_hands_back_to_hold(hardware):
    world = hardware.world
    teleop = world.create_publisher(msg.TeleopCommand, "teleop/command", qos.STATE)
    hardware.until(lambda: teleop.get_subscription_count() == 1, "discovery of the device")
    world.publish_state()
    hardware.resume()

    def publish(reading):
        reading.header.stamp = world.get_clock().now().to_msg()
        teleop.publish(reading)

    released = msg.TeleopCommand(robot=CONFIG.robot, active=False, device="gamepad")
    pressed = msg.TeleopCommand(robot=CONFIG.robot, active=True, device="gamepad")
    pressed.linear[1], pressed.gripper_opening = 0.05, 0.5
    # Only the newest reading counts, and a pressed one before any released one is not obeyed.
    readings = itertools.cycle([released, pressed])
    hardware.until(lambda: publish(next(readings)) or world.moves, "the takeover")
    publish(pressed)
    hardware.until(lambda: len(world.moves) >= 10, "motion by hand")
    assert world.moves[-1].x_base_tool.position.y > 0.0
    hardware.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.TELEOP, "teleop")

    publish(released)
    hardware.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.HOLD, "hold")
    hardware.until(lambda: world.commands[-1].mode == msg.ArmCommand.HOLD, "a hold for the driver")


LISTENER = """
import rclpy
from tmrl_msgs.msg import ArmCommand
from tmrl_ros import qos

rclpy.init()
node = rclpy.create_node("arm")
node.create_subscription(ArmCommand, "arm/command", lambda _: None, qos.STATE)
rclpy.spin(node)
"""


@pytest.fixture
def listener():
    """An arm's side of arm/command in a process of its own, which can be stopped."""
    process = subprocess.Popen([sys.executable, "-c", LISTENER])
    yield process
    process.kill()
    process.wait()


def test_a_frozen_listener_of_the_commands_has_no_say_in_whether_the_arm_holds(hardware, listener):
    world = hardware.world
    world.publish_state()
    hardware.until(lambda: world.count_subscribers("arm/command") == 2, "the other process")
    listener.send_signal(signal.SIGSTOP)
    for _ in range(3):
        reply = hardware.ask("hold")
        assert reply.success, reply.message
    assert hardware.ask("resume").success
    world.offer(execute_steps=2)
    hardware.until(lambda: world.outcomes, "a chunk, from end to end")
    assert world.outcomes[0].result == msg.ChunkOutcome.COMPLETED


def hold_that_gets_lost(hardware):
    """Asks for a hold that the driver, which has had one before, does not take; the answer."""
    world = hardware.world
    world.publish_state()
    hardware.until(lambda: hardware.ask("hold").success, "a hold that the driver has")
    world.obeys = False
    held = len(world.commands)
    waiting = world.clients_by_name["hold"].call_async(Trigger.Request())
    hardware.until(lambda: len(world.commands) > held, "the hold on its way to the driver")
    return waiting


def test_a_hold_that_the_driver_does_not_take_is_refused_and_everything_else_goes_on(hardware):
    world = hardware.world
    waiting = hold_that_gets_lost(hardware)
    world.publish_state(fault="motor 3 is off: reboot it")
    hardware.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.FAULT, "the fault")
    assert hardware.ask("estop").success
    hardware.until(lambda: world.statuses[-1].mode == msg.ControllerStatus.ESTOP, "the e-stop")
    assert not hardware.ask("hold").success, "refused at once: the e-stop is latched"

    assert not waiting.done(), "the driver still sleeps"
    hardware.until(waiting.done, "the refusal of the hold")
    assert not waiting.result().success
    assert "driver has not taken the hold" in waiting.result().message
    assert "see whether the driver is alive" in waiting.result().message


def test_a_hold_that_was_lost_on_its_way_is_confirmed_once_the_driver_has_a_later_one(hardware):
    world = hardware.world
    waiting = hold_that_gets_lost(hardware)
    world.obeys = True
    hardware.until(waiting.done, "the answer")
    assert waiting.result().success, waiting.result().message


def test_in_lock_step_a_hold_is_confirmed_though_the_clock_stands_still(lock_step):
    world = lock_step.world
    world.publish_state()
    lock_step.resume()
    world.offer(execute_steps=2)
    lock_step.until(lambda: world.outcomes, "the end of the chunk")
    before_s = world.time_s
    assert lock_step.ask("hold").success
    assert world.commands[-1].mode == msg.ArmCommand.HOLD
    assert world.time_s == before_s
