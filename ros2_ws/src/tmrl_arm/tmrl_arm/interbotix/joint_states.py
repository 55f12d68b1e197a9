"""Joint states as the vendor's driver publishes them: the good ones, and what is wrong with others.

A second publisher on the topic, such as a bridge or a half-finished script, must not end the
thread that listens.
"""

# Messages come as they are made elsewhere, without types.
# pyright: basic

import logging
from typing import Any

import numpy as np

from tmrl_arm.interbotix.bus import JointSample
from tmrl_arm.interbotix.config import JOINTS

_log = logging.getLogger(__name__)

LEFT_FINGER = "left_finger"


class JointStates:
    """The newest good joint states of one topic.

    Attributes:
        newest: None before the first.
        problem: What was wrong with the last broken message; empty while none came.
    """

    def __init__(self, topic: str) -> None:
        """Starts with none.

        Args:
            topic: Where they come from, for people.
        """
        self._topic = topic
        self.newest: JointSample | None = None
        self.problem = ""

    def take(self, message: Any, received_s: float) -> None:
        """Takes a message in; a broken one is dropped and named once for each thing wrong with it.

        Args:
            message: sensor_msgs/JointState.
            received_s: When it arrived, s.
        """
        problem = broken_arrays(message)
        if not problem:
            self.newest = to_sample(message, received_s) or self.newest
        elif problem != self.problem:
            self.problem = problem
            _log.warning("a message of %s was dropped: %s", self._topic, problem)

    def absence(self, vendor_name: str) -> str:
        """Why there may be no good joint states, for whoever waits for the first.

        Args:
            vendor_name: Under which the vendor's driver runs.
        """
        dropped = f"; one was dropped: {self.problem}" if self.problem else ""
        return (
            f"no message of {self._topic} names {', '.join((*JOINTS, LEFT_FINGER))}{dropped}. Is "
            f"the vendor's driver running with robot_model:=wx250s robot_name:={vendor_name}, the "
            "arm's power on, /dev/ttyDXL there? Do ROS_DOMAIN_ID and discovery settings agree?"
        )


def broken_arrays(message: Any) -> str:
    """What is wrong with the lengths in joint states; empty where all fit.

    Velocities may be left out, positions may not; efforts are not looked at.

    Args:
        message: sensor_msgs/JointState.
    """
    count = len(message.name)
    lengths = {"positions": len(message.position), "velocities": len(message.velocity)}
    odd = [
        f"{length} {what}"
        for what, length in lengths.items()
        if length != count and not (what == "velocities" and length == 0)
    ]
    if not odd:
        return ""
    return (
        f"it has {count} names and {' and '.join(odd)}. Does a second node publish there (ros2 "
        "topic info --verbose)? End it, or give it another topic"
    )


def to_sample(message: Any, received_s: float) -> JointSample | None:
    """Joint states in the arm's order; None where the message lacks a joint.

    Args:
        message: sensor_msgs/JointState whose arrays have the lengths of its names.
        received_s: When it arrived, s.
    """
    index = {name: i for i, name in enumerate(message.name)}
    if not index.keys() >= {*JOINTS, LEFT_FINGER}:
        return None
    joints = [index[name] for name in JOINTS]
    position = np.asarray(message.position)
    # The vendor's simulated driver publishes no velocities.
    has_velocities = len(message.velocity) > 0
    velocity = np.asarray(message.velocity)[joints] if has_velocities else np.zeros(len(joints))
    return JointSample(
        received_s=received_s,
        position_rad=position[joints],
        velocity_rad_s=velocity,
        finger_m=float(position[index[LEFT_FINGER]]),
    )
