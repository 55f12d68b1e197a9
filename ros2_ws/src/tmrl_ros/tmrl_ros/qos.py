"""Quality of service of every topic, by the kind of data on it (docs/concepts/contracts.md)."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(
    depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy
) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


STATE = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""arm/state, arm/command, perception/objects: the newest counts, but lock-step may lose none."""

STATE_BY_STATE = _profile(256, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""To subscribe to a lock-step simulation that does not wait for the subscriber, as while a person
drives: the state between two segments is past when their outcome comes. Elsewhere a queue would
make states look newer than they are."""

IMAGE = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Camera images: the newest counts. Reliable, because a picture is larger than one packet: of best
effort ones of 640 x 480, Fast DDS lost nine of ten on a busy machine (docs/guides/cameras.md)."""

IMAGE_OF_OTHERS = _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""To subscribe to drivers that publish as "sensor data": they would not match a reliable reader."""

EVENT = _profile(64, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Chunks, outcomes, transitions: each one counts."""

VERDICT = _profile(1024, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""task/success: a simulation waits for nobody who judges, and makes 64 steps while a busy machine
lets an operator stand for a fifth of a second; a success of two steps must not be lost."""

STATUS = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""Statuses: whoever joins late gets the newest one at once."""

LABELS = _profile(64, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""episode/outcome: whoever joins late gets the recent ones."""

TRANSFORMS = _profile(100, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""/tf, as tf2's own broadcasters publish it."""

ANYONES = (
    _profile(16, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    _profile(16, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
)
"""controller/estop: one subscription each, since a reliable one would not hear a best effort
publisher, and a best effort one would take reliability from those who offer it."""
