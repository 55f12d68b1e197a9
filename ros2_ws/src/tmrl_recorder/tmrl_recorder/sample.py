"""What is handed to a recording: messages as they came, and where the session stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """One message of one topic.

    Attributes:
        topic: Full name.
        kind: Type, such as `tmrl_msgs/msg/ArmState`.
        data: The message as it came over DDS: CDR with its encapsulation header.
        received_ns: When it came, ns since 1970 by this machine's clock.
        sent_ns: When it was sent, by its sender's clock; 0 where the middleware does not say.
        latched: Whether its publisher keeps it for those who join late.
    """

    topic: str
    kind: str
    data: bytes
    received_ns: int
    sent_ns: int = 0
    latched: bool = False


@dataclass(frozen=True)
class EpisodeSeen:
    """Where the session stands, by the operator.

    Attributes:
        episode: Number of the newest episode; 0 before the first.
        lasts: Whether it runs or waits for its label.
    """

    episode: int
    lasts: bool
