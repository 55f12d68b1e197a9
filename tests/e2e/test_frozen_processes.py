"""Sessions in which a process freezes: a bystander does not matter, the driver is waited for."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from tmrl_common.testing.waiting import wait_until
from tmrl_msgs.msg import EpisodeState
from tmrl_ros import qos

from .conftest import FAST, Demo

pytestmark = [pytest.mark.e2e, pytest.mark.ros, pytest.mark.timeout(1800)]

LISTENER = """
import rclpy
from tmrl_msgs.msg import ArmCommand
from tmrl_ros import qos

rclpy.init()
node = rclpy.create_node("bystander", namespace="/widowx")
heard = lambda command: print(command.sequence, flush=True)
node.create_subscription(ArmCommand, "arm/command", heard, qos.STATE)
rclpy.spin(node)
"""


@contextlib.contextmanager
def listener(domain: int) -> Iterator[subprocess.Popen[str]]:
    """A reliable subscriber of the commands, as a terminal or a recorder is one."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, "-c", LISTENER]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class StateWatch:
    """Hears where the session stands."""

    def __init__(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("watch", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.heard: list[EpisodeState] = []
        self._node.create_subscription(
            EpisodeState, "/widowx/episode/state", self.heard.append, qos.STATUS
        )

    def wait_for_pause(self) -> str:
        """The sentence of the pause."""

        def paused() -> bool:
            self._executor.spin_once(timeout_sec=0.1)
            return bool(self.heard) and self.heard[-1].state == EpisodeState.PAUSED

        wait_until(paused, "the pause", 60.0)
        return self.heard[-1].reason

    def listeners_of_commands(self) -> int:
        """How many the network knows."""
        return self._node.count_subscribers("/widowx/arm/command")

    def close(self) -> None:
        self._node.destroy_node()
        self._context.try_shutdown()


def test_a_listener_of_the_commands_that_freezes_does_not_stop_the_session(demo: Demo) -> None:
    demo.start("--episodes", "12", *FAST)
    with listener(demo.domain()) as bystander:
        assert bystander.stdout is not None
        assert bystander.stdout.readline().strip().isdigit(), "it hears the commands"
        before = demo.episodes()
        bystander.send_signal(signal.SIGSTOP)
        demo.wait_for_episodes(before + 3)
        bystander.kill()
        assert demo.finish() == 0, demo.output
    assert demo.report()["outcomes"] == ["success"] * 12


def test_a_driver_that_freezes_pauses_the_session_until_it_is_back(demo: Demo) -> None:
    # Half of what the rig allows a laptop that sleeps: nobody need wait for it here.
    demo.start("--episodes", "12", *FAST, "operator.peer_timeout_s:=15.0")
    demo.wait_for_episodes(2)
    watch = StateWatch(demo.domain())
    wait_until(lambda: watch.listeners_of_commands() == 1, "the network's view", 60.0)
    driver = demo.part("driver")
    driver.send_signal(signal.SIGSTOP)
    try:
        reason = watch.wait_for_pause()
        assert watch.listeners_of_commands() == 1, "forgotten here, it may not be found again"
        with demo.service(Trigger, "/widowx/controller/hold") as hold:
            answer = hold(Trigger.Request())
    finally:
        driver.send_signal(signal.SIGCONT)
        watch.close()
    assert "call operator/start" in reason
    # The simulation is the driver; which of its duties is missed first depends on when it froze.
    signs = ("the arm has been silent", "has not taken the hold", "scene/reset was not answered")
    assert any(sign in reason for sign in signs), reason
    assert not answer.success
    assert answer.message.startswith("a hold was commanded, but ")
    assert "see whether" in answer.message
    assert demo.finish() == 0, demo.output
    report = demo.report()
    assert report["outcomes"].count("success") >= 11
    assert report["transitions_published"] == report["transitions_stored"]
