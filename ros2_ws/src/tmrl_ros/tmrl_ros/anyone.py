"""Topics on which anybody may publish, with whatever quality of service they offer."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node

from tmrl_ros import qos


def subscribe_to_anyone(
    node: Node, kind: Any, topic: str, take: Callable[[Any, int], None]
) -> None:
    """Listens to every publisher of a topic: reliably to those who offer it, also to the others.

    Messages of a publisher that offers reliability arrive twice; `take` must accept repetitions.

    Args:
        node: Listens.
        kind: Type of the message.
        topic: Relative to the node's namespace.
        take: Receives each message, and when it was sent by its sender's clock, ns since 1970.
    """

    def receive(message: Any, info: Any) -> None:
        take(message, info["source_timestamp"])

    # One of the two never matches a best effort publisher; nobody needs a warning about that.
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    for profile in qos.ANYONES:
        node.create_subscription(kind, topic, receive, profile, event_callbacks=silent)


def publishers_of(node: Node, topic: str) -> tuple[str, ...]:
    """Returns the full names of the nodes that publish a topic now, each once, sorted.

    A message does not say who sent it; where only one node publishes, this does.
    """
    found = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return tuple(sorted({f"{e.node_namespace.rstrip('/')}/{e.node_name}" for e in found}))
