"""Whether another process of this machine hears this one over ROS 2, as the parts of a rig must."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Empty

from tmrl_ros.network import enter_ros

DISCOVERY_S = 10.0
_START_S = 60.0
"""Longest time until the other process listens; importing rclpy takes the most of it."""
_POLL_S = 0.05
_READY = "ready"


def round_trip_s(listener: Sequence[str] = ()) -> float | None:
    """Time until a message of a new node is heard in a process of its own; None: it is not.

    Args:
        listener: Command of that process; one is started that listens as a rig's parts do.

    Raises:
        RuntimeError: The process does not start.
    """
    topic = f"doctor_{os.getpid()}"
    command = [*listener] or [sys.executable, "-m", "tmrl_doctor.second_process", topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            return _talk(process, topic)
        finally:
            process.kill()


def _talk(process: "subprocess.Popen[str]", topic: str) -> float | None:
    assert process.stdout is not None
    if process.stdout.readline().strip() != _READY:
        raise RuntimeError(f"the process that was to listen ended with {process.wait()}")
    context, start_s = rclpy.Context(), time.monotonic()
    enter_ros([], context)
    try:
        talker = Node("doctor_talker", context=context)
        publisher = talker.create_publisher(Empty, topic, 1)
        while process.poll() is None and time.monotonic() - start_s < DISCOVERY_S:
            publisher.publish(Empty())
            time.sleep(_POLL_S)
        talker.destroy_node()
    finally:
        context.try_shutdown()
    return time.monotonic() - start_s if process.poll() == 0 else None


def listen(topic: str, announce: Callable[[str], object]) -> bool:
    """Waits for one message; whether it came.

    Args:
        topic: To listen to.
        announce: Called with a line as soon as the subscription is there.
    """
    context = Context()
    enter_ros(args=[], context=context)
    arrived: list[Empty] = []
    try:
        node = Node("doctor_listener", context=context)
        node.create_subscription(Empty, topic, arrived.append, 1)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        announce(f"{_READY}\n")
        ends_s = time.monotonic() + _START_S
        while not arrived and time.monotonic() < ends_s:
            executor.spin_once(timeout_sec=_POLL_S)
        executor.shutdown()
        node.destroy_node()
    finally:
        context.try_shutdown()
    return bool(arrived)


def _announce(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(0 if listen(sys.argv[1], _announce) else 1)
