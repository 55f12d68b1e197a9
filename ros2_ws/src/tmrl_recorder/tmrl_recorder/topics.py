"""Which topics are recorded."""

_SHARED = ("/clock", "/diagnostics", "/tf", "/tf_static")
"""Topics outside of the robot's namespace."""
_OF_NODES = ("parameter_events",)
_PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_STATES = (
    *_PICTURES,
    "geometry_msgs/msg/PoseStamped",
    "sensor_msgs/msg/CameraInfo",
    "sensor_msgs/msg/JointState",
    "tmrl_msgs/msg/ArmState",
    "tmrl_msgs/msg/ObjectPoses",
)


def is_recorded(topic: str, namespace: str) -> bool:
    """Returns whether a topic belongs to a robot's session.

    Args:
        topic: Full name.
        namespace: Of the robot, such as "/widowx".
    """
    if topic in _SHARED:
        return True
    prefix = f"{namespace.rstrip('/')}/"
    return topic.startswith(prefix) and topic.rpartition("/")[2] not in _OF_NODES


def is_state(kind: str) -> bool:
    """Returns whether the newest message of a type holds until the next one comes."""
    return kind in _STATES


def is_picture(kind: str) -> bool:
    """Returns whether a type is that of pictures."""
    return kind in _PICTURES
