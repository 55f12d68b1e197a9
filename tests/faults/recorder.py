"""Records what reaches the arm, as a bystander: `python -m tests.faults.recorder DOMAIN FILE`.

A process of its own that shares no code with the controller and is none of the session's: no fault
reaches it.
"""

import functools
import signal
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from tests.faults.command_log import TOPICS, write
from tmrl_msgs import msg
from tmrl_ros.network import enter_ros
from tmrl_ros.raw_topics import COUNTED

_NAMESPACE = "widowx"
_EVERY_ONE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
_LOOK_S = 0.01
_FLUSH_S = 0.2


def main() -> None:
    """Records until SIGTERM."""
    domain, path = int(sys.argv[1]), Path(sys.argv[2])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    enter_ros([], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("bystander", namespace=_NAMESPACE)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with path.open("ab") as stream:

        def take(topic: int, data: bytes) -> None:
            write(stream, topic, time.monotonic_ns(), data)

        waiting = dict(enumerate(TOPICS))
        flushed_s = time.monotonic()
        while not ended:
            waiting = {n: topic for n, topic in waiting.items() if not _join(node, n, topic, take)}
            executor.spin_once(timeout_sec=_LOOK_S if waiting else _FLUSH_S)
            if time.monotonic() - flushed_s > _FLUSH_S:
                stream.flush()
                flushed_s = time.monotonic()
    rclpy.try_shutdown()


def _join(node: Any, number: int, topic: tuple[str, str], take: Any) -> bool:
    """Listens to a topic; whether it could."""
    name, kind = topic
    # Its publisher begins when somebody listens, and must not begin for a bystander.
    if name in COUNTED and not node.count_subscribers(f"/{_NAMESPACE}/{name}"):
        return False
    received = functools.partial(take, number)
    node.create_subscription(getattr(msg, kind), name, received, _EVERY_ONE, raw=True)
    return True


if __name__ == "__main__":
    main()
