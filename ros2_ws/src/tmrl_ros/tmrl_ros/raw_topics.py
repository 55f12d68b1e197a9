"""Listens to whatever topics there are, without decoding, and without anybody waiting for it."""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from tmrl_ros.node import TmrlNode

COUNTED = ("arm/command", "controller/outcome", "policy/chunk")
"""Topics whose publishers begin when somebody listens: whoever only listens must not be first."""
_LOOK_PERIOD_S = 0.5
_DEPTH = 200
_IMAGE_DEPTH = 4
_LARGE = ("sensor_msgs/msg/Image",)


@dataclass(frozen=True)
class RawMessage:
    """A message as it came.

    Attributes:
        topic: Full name.
        kind: Type, such as `tmrl_msgs/msg/ArmState`.
        data: CDR with its encapsulation header.
        received_ns: When it came, ns since 1970 by this machine's clock.
        sent_ns: When it was sent, by its sender's clock.
        latched: Whether its publisher keeps it for those who join late.
    """

    topic: str
    kind: str
    data: bytes
    received_ns: int
    sent_ns: int
    latched: bool


class RawTopics:
    """Subscribes to topics as they appear, with what all of their publishers offer."""

    def __init__(
        self,
        node: TmrlNode[Any],
        wants: Callable[[str, str], bool],
        take: Callable[[RawMessage], None],
    ) -> None:
        """Looks for topics twice per second.

        Args:
            node: Listens.
            wants: Says of a topic's full name and type whether it is wanted.
            take: Receives each message, on the executor's thread.
        """
        self._node = node
        self._wants = wants
        self._take = take
        self._subscriptions: dict[str, Any] = {}
        self._unknown: set[str] = set()
        self._counted = {node.resolve_topic_name(name) for name in COUNTED}
        node.create_timer(_LOOK_PERIOD_S, self.look, clock=node.wall_clock)
        self.look()

    @property
    def topics(self) -> list[str]:
        """Full names of the topics that it listens to."""
        return sorted(self._subscriptions)

    def look(self) -> None:
        """Joins topics that have appeared, and leaves those that only it would listen to."""
        for topic, kinds in self._node.get_topic_names_and_types():
            if topic in self._counted and not self._others_listen(topic):
                self._leave(topic)
            elif topic not in self._subscriptions and len(kinds) == 1:
                publishers = self._node.get_publishers_info_by_topic(topic)
                if publishers and self._wants(topic, kinds[0]):
                    self._join(topic, kinds[0], publishers)

    def _others_listen(self, topic: str) -> bool:
        mine = self._node.get_name(), self._node.get_namespace()
        found = self._node.get_subscriptions_info_by_topic(topic)
        return any((each.node_name, each.node_namespace) != mine for each in found)

    def _leave(self, topic: str) -> None:
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self._node.destroy_subscription(subscription)

    def _join(self, topic: str, kind: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        try:
            message_class = class_of(kind)
        except (AttributeError, ImportError):
            if topic not in self._unknown:
                self._unknown.add(topic)
                self._node.get_logger().warning(
                    f"{topic} is left out: its type {kind} is not installed here"
                )
            return
        profile = self._profile(topic, kind, publishers)
        latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL

        def receive(data: bytes, info: Any) -> None:
            sent_ns = info["source_timestamp"]
            self._take(RawMessage(topic, kind, data, time.time_ns(), sent_ns, latched))

        self._subscriptions[topic] = self._node.create_subscription(
            message_class,
            topic,
            receive,
            profile,
            raw=True,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    def _profile(self, topic: str, kind: str, publishers: Sequence[TopicEndpointInfo]) -> Any:
        offered = [each.qos_profile for each in publishers]
        reliable = all(each.reliability == ReliabilityPolicy.RELIABLE for each in offered)
        latched = all(each.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in offered)
        sure = reliable and topic not in self._counted
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=_IMAGE_DEPTH if kind in _LARGE else _DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if sure else ReliabilityPolicy.BEST_EFFORT,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if latched and sure else DurabilityPolicy.VOLATILE
            ),
        )


def class_of(kind: str) -> Any:
    """Returns the class of a message type such as `tmrl_msgs/msg/ArmState`.

    Raises:
        ImportError: The package is not installed.
        AttributeError: It has no such message.
    """
    package, _, name = kind.partition("/")
    return getattr(importlib.import_module(f"{package}.msg"), name.rpartition("/")[2])
