"""Listens on the ROS 2 network for the doctor; publishes nothing that a rig listens to."""

import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from tmrl_common.closeable import Closeable
from tmrl_doctor.hearing import Publisher
from tmrl_ros.network import enter_ros

_POLL_S = 0.02
_ACT_S = 20.0


class TopicListener(Closeable):
    """A node with a thread of its own, as a context manager.

    Args:
        namespace: Of the rig, such as "/widowx".
    """

    def __init__(self, namespace: str) -> None:
        self._context = rclpy.Context()
        enter_ros([], self._context)
        self.node = Node("doctor", context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leaves the network."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        self._context.try_shutdown()

    def is_published(self, topic: str, wait_s: float) -> bool:
        """Whether anybody publishes a topic of the rig, relative to its namespace."""
        name = self.node.resolve_topic_name(topic)
        return _until(lambda: self.node.count_publishers(name) > 0, wait_s)

    def publishers(self, topic: str) -> list[Publisher]:
        """Who publishes a topic of the rig, relative to its namespace, and how."""
        infos = self.node.get_publishers_info_by_topic(self.node.resolve_topic_name(topic))
        return [
            Publisher(
                node=f"{info.node_namespace.rstrip('/')}/{info.node_name}",
                kind=info.topic_type,
                reliable=info.qos_profile.reliability is ReliabilityPolicy.RELIABLE,
            )
            for info in infos
        ]

    def nodes(self) -> list[str]:
        """Full names of all other nodes on the domain, those of one name as often as they are."""
        found = self.node.get_node_names_and_namespaces()
        own = self.node.get_fully_qualified_name()
        names = [f"{space.rstrip('/')}/{name}" for name, space in found]
        return [name for name in names if name != own and not name.split("/")[-1].startswith("_")]

    def receive(
        self, kind: Any, topic: str, profile: QoSProfile, *, enough: int, wait_s: float
    ) -> list[tuple[float, Any]]:
        """Messages of a topic with the steady time of their arrival.

        Args:
            kind: Message type.
            topic: Relative to the namespace.
            profile: Quality of service.
            enough: Returns early when so many came.
            wait_s: Longest time to listen.
        """
        received: list[tuple[float, Any]] = []

        def listen() -> Any:
            return self.node.create_subscription(
                kind, topic, lambda message: received.append((time.monotonic(), message)), profile
            )

        subscription = self._in_executor(listen)
        _until(lambda: len(received) >= enough, wait_s)
        self._in_executor(lambda: self.node.destroy_subscription(subscription))
        return list(received)

    def _in_executor(self, act: Callable[[], Any]) -> Any:
        """Lets the listening thread change the node: rclpy fails when another does, now and then.

        Raises:
            RuntimeError: The thread has ended, or is stuck.
        """
        task = self._executor.create_task(act)
        if not _until(task.done, _ACT_S):
            raise RuntimeError(f"the doctor's own node did not act within {_ACT_S:g} s")
        return task.result()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def _until(condition: Callable[[], bool], wait_s: float) -> bool:
    ends_s = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > ends_s:
            return False
        time.sleep(_POLL_S)
    return True
