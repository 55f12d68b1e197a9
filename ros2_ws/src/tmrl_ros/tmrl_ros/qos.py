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

IMAGE = _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""Camera images: a late frame is worth less than the next one."""

EVENT = _profile(64, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Chunks, outcomes, transitions, detections: each one counts."""

STATUS = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""Statuses: whoever joins late gets the newest one at once."""

LABELS = _profile(64, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""episode/outcome: whoever joins late gets the recent ones."""
