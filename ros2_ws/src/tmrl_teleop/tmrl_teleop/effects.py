"""What the core wants done: the shell carries these out, in their order."""

from dataclasses import dataclass
from enum import StrEnum

from tmrl_common.geometry import Vector


class Press(StrEnum):
    """A button that asks for something, by the name of its parameter."""

    RESUME = "resume"
    HOME = "home"
    ESTOP = "estop"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class Drive:
    """A teleop command to be published.

    Attributes:
        stamp_ns: ROS time of the reading behind it, ns; the controller judges its age.
        active: Whether the person drives.
        linear_m_s: Velocity of the tool in the base frame, shape (3,), m/s.
        angular_rad_s: In the base frame, shape (3,), rad/s.
        gripper_opening: 0 closed to 1 open.
    """

    stamp_ns: int
    active: bool
    linear_m_s: Vector
    angular_rad_s: Vector
    gripper_opening: float


Effect = Press | Drive
