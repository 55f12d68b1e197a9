"""What a person's device asks for, as a plain value."""

from dataclasses import dataclass

from tmrl_common.geometry import Vector


@dataclass(frozen=True)
class TeleopCommand:
    """One reading of a person's device (tmrl_msgs/TeleopCommand).

    Attributes:
        robot: Name of the arm that it is meant for.
        active: Whether the dead-man switch is pressed.
        linear_m_s: Wanted velocity of the tool in the base frame, shape (3,), m/s.
        angular_rad_s: Wanted angular velocity in the base frame, shape (3,), rad/s.
        gripper: Wanted opening, 0 closed to 1 open.
        device: Name of the device, for the reason shown to people.
        stamp_ns: ROS time of the reading, ns.
        frame_id: Frame of the velocities; empty for the arm's base.
    """

    robot: str
    active: bool
    linear_m_s: Vector
    angular_rad_s: Vector
    gripper: float
    device: str = "teleop"
    stamp_ns: int = 0
    frame_id: str = ""
