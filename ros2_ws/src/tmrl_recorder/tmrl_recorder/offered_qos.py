"""The quality of service of a topic as rosbag2 writes it down, so that a replay offers it again."""

from typing import Any

import yaml

_FOREVER = {"sec": 9223372036, "nsec": 854775807}


def offered_qos(*, latched: bool) -> str:
    """Returns the profiles of a topic, as YAML.

    Args:
        latched: Whether its publisher keeps the newest message for those who join late.
    """
    profile: dict[str, Any] = {
        "history": "keep_last",
        "depth": 1 if latched else 64,
        "reliability": "reliable",
        "durability": "transient_local" if latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
    return yaml.safe_dump([profile], sort_keys=False)
