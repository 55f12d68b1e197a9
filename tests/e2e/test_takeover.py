"""A person takes over in a running session: it is in the journal without a gap, and is learned."""

import contextlib
import json
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from tmrl_common.chunks import Driver, Origin
from tmrl_common.testing.waiting import wait_until
from tmrl_common.transitions import Transition, check
from tmrl_common.types import SteeringSource
from tmrl_msgs.msg import ArmState, ControllerStatus, TeleopCommand
from tmrl_ros import qos
from tmrl_ros.conversion import nanoseconds

from .conftest import Demo
from .test_session import transitions

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

STEPS = 5
"""agent.execute_steps of the rig."""
DRIVEN_S = 3.0
LOCK_STEP = ("driver.loopback_success_commands:=3000",)
PACED = (
    "driver.loopback_success_commands:=500",
    "driver.real_time_factor:=5.0",
    "controller.pacing:=state",
    "agent.lock_step:=false",
    # Here the latents are found among those that the server hands out, as beside a pi0.
    "agent.candidates:=32",
)
SESSION = (
    "driver.backend:=loopback",
    "learning.overrides:=[schedule.warmup_chunks=5, schedule.warmup_successes=1, "
    "schedule.burst_rounds=20, agent.utd=2, "
    "hindsight.candidates=32, hindsight.tolerance=10.0]",
    "learning.wandb:=disabled",
    "controller.resume_after_teleop:=true",
    # A busy machine delays what a person's device sends, and lock-step waits for no device.
    "controller.max_teleop_age_s:=60.0",
    "operator.time_limit_s:=2000.0",
)


class Person(Node):
    """Answers every state of the arm with a reading of a device.

    Who presses before the controller has heard anything is asked to let go first, and does.
    """

    def __init__(self, context: rclpy.Context) -> None:
        super().__init__("person", namespace="/widowx", context=context)
        self.pressed = False
        self.now_s = 0.0
        self.mode = ControllerStatus.HOLD
        self._asked_to_let_go_ns = 0
        self._lets_go = False
        self._device = self.create_publisher(TeleopCommand, "teleop/command", qos.STATE)
        self.create_subscription(ArmState, "arm/state", self._on_state, qos.STATE)
        self.create_subscription(ControllerStatus, "controller/status", self._on_status, qos.STATUS)

    def _on_status(self, message: ControllerStatus) -> None:
        self.mode = message.mode
        asked_ns = nanoseconds(message.last_refusal_stamp)
        if "release the switch" in message.last_refusal and asked_ns > self._asked_to_let_go_ns:
            self._asked_to_let_go_ns, self._lets_go = asked_ns, True

    def _on_state(self, message: ArmState) -> None:
        self.now_s = nanoseconds(message.header.stamp) * 1e-9
        active = self.pressed and not self._lets_go
        self._lets_go = False
        reading = TeleopCommand(robot="widowx", device="gamepad", active=active)
        reading.header = message.header
        reading.linear = np.array([0.0, 0.02, 0.0])
        self._device.publish(reading)


@contextlib.contextmanager
def person(demo: Demo) -> Iterator[tuple[Person, SingleThreadedExecutor]]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=demo.domain())
    node, executor = Person(context), SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        node.destroy_node()
        context.try_shutdown()


def take_over(demo: Demo) -> None:
    """Drives for a while, in the middle of an episode, then lets the policy continue."""
    with person(demo) as (someone, executor):

        def spin() -> None:
            assert demo.process is not None
            assert demo.process.poll() is None, "the session has ended"
            executor.spin_once(timeout_sec=0.05)

        wait_until(lambda: someone.mode == ControllerStatus.POLICY, "the policy", 180, spin)
        demo.wait_for_running(1)
        someone.pressed = True
        wait_until(lambda: someone.mode == ControllerStatus.TELEOP, "the take-over", 180, spin)
        until_s = someone.now_s + DRIVEN_S
        wait_until(lambda: someone.now_s >= until_s, "the way", 180, spin)
        someone.pressed = False
        wait_until(lambda: someone.mode != ControllerStatus.TELEOP, "the release", 180, spin)


@pytest.mark.parametrize("pace", [LOCK_STEP, PACED], ids=["lock-step", "paced"])
def test_what_a_person_drives_is_in_the_journal_without_a_gap(
    demo: Demo, pace: tuple[str, ...]
) -> None:
    demo.start("--episodes", "1", *SESSION, *pace)
    take_over(demo)
    assert demo.finish() == 0, demo.output

    stored = transitions(demo.run_dir)
    report = demo.report()
    assert report["transitions_published"] == report["transitions_stored"] == len(stored)
    newest = {(t.episode, t.chunk): t for t in stored}
    human = [t for t in newest.values() if t.origin is Origin.HUMAN]
    assert driven_s(human, exact=pace == LOCK_STEP) >= DRIVEN_S - 0.4, (
        "the person's steps are there"
    )
    assert len(human) >= 2
    for transition in human:
        check(transition)
        assert 1 <= len(transition.executed_actions) <= STEPS
        assert set(transition.driver.tolist()) == {Driver.TELEOP}
        assert transition.z.size == 0
        assert transition.steering is SteeringSource.NONE
    seen = [t for t in human if not t.aborted]
    # Where time is paced, the agent may have missed the moment in which the person took over.
    assert len(seen) >= len(human) - (0 if pace == LOCK_STEP else 1)
    check_gapless(list(newest.values()), exact=pace == LOCK_STEP)
    saved = json.loads((demo.run_dir / "checkpoint" / "learner.json").read_text())
    counters = saved["metadata"]["counters"]
    # Whatever is within so wide a tolerance has a latent that the policy would have needed.
    assert (counters["human"], counters["explained"]) == (len(human), len(seen))


def driven_s(human: list[Transition], *, exact: bool) -> float:
    """How long a person drove; where time is paced, the steps of a busy controller last longer."""
    if exact:
        return 0.2 * sum(len(t.executed_actions) for t in human)
    begun_ns = min(t.observation_stamp_ns for t in human)
    return 1e-9 * (max(int(t.step_ends_ns[-1]) for t in human) - begun_ns)


def check_gapless(newest: list[Transition], *, exact: bool) -> None:
    """Paced time passes between two chunks: there, only what a person drove meets exactly."""
    for earlier, later in pairwise(newest):
        if earlier.episode != later.episode or earlier.aborted or later.aborted:
            continue
        assert later.chunk == earlier.chunk + 1
        if exact or (earlier.origin, later.origin) == (Origin.HUMAN, Origin.HUMAN):
            np.testing.assert_array_equal(earlier.next_features, later.features)
