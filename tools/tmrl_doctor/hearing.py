"""Why nothing comes through a topic that somebody publishes: its type, its offer, or the way."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmrl_common.errors import LocalError
from tmrl_doctor.silence import likely_cause


@dataclass(frozen=True)
class Publisher:
    """One publisher of a topic.

    Attributes:
        node: Full name of its node.
        kind: Of its messages, such as "sensor_msgs/msg/Image".
        reliable: Whether it offers to repeat what was lost.
    """

    node: str
    kind: str
    reliable: bool


class NotHeardError(LocalError):
    """Nothing that is of use comes through a topic.

    Attributes:
        remedy: What helps against this cause.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        """Joins what was seen with what helps."""
        super().__init__(detail)
        self.remedy = remedy


def explain_silence(
    topic: str,
    publishers: Sequence[Publisher],
    kind: str,
    *,
    reliable: bool,
    best_effort_key: str = "",
) -> NotHeardError:
    """Says why a topic that is published is not heard.

    Args:
        topic: Its name.
        publishers: Who publishes it.
        kind: Of the messages that were listened for.
        reliable: Whether the subscription demands reliability.
        best_effort_key: Key of the rig with which it would not; empty where there is none.
    """
    others = sorted({each.kind for each in publishers} - {kind})
    if others and not any(each.kind == kind for each in publishers):
        return NotHeardError(
            f"{topic} carries {', '.join(others)}, and {kind} is needed",
            "name the topic of the colour camera itself; those of compressed pictures end in "
            "/compressed (agent.camera_topics)",
        )
    who = ", ".join(sorted({each.node for each in publishers}))
    if reliable and publishers and not any(each.reliable for each in publishers):
        key = f"set {best_effort_key}: true in the rig's file, or " if best_effort_key else ""
        return NotHeardError(
            f"{topic}: {who} publishes best effort, and a reliable subscription never hears that",
            f"{key}let the driver publish reliably (docs/guides/cameras.md)",
        )
    return NotHeardError(f"{topic}: {who} publishes it, and nothing is heard", likely_cause())
