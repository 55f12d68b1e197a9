"""ROS messages to readings, and commands to ROS messages."""

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Joy

from tmrl_msgs.msg import TeleopCommand
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds
from tmrl_teleop.effects import Drive
from tmrl_teleop.params import TeleopConfig
from tmrl_teleop.reading import Reading, Velocity


def reading(message: Joy, now_ns: int) -> Reading:
    """Axes and buttons; of now where the driver gives no stamp."""
    buttons = tuple(bool(button) for button in message.buttons)
    return Reading(nanoseconds(message.header.stamp) or now_ns, tuple(message.axes), buttons)


def velocity(message: TwistStamped, now_ns: int) -> Velocity:
    """A velocity; of now where the driver gives no stamp."""
    linear, angular = message.twist.linear, message.twist.angular
    return Velocity(
        nanoseconds(message.header.stamp) or now_ns,
        (linear.x, linear.y, linear.z),
        (angular.x, angular.y, angular.z),
    )


def command(drive: Drive, config: TeleopConfig, sequence: int, base_frame: str) -> TeleopCommand:
    """What a person wants.

    Args:
        drive: The command.
        config: Names arm and device.
        sequence: Its number.
        base_frame: Frame of the arm's states; empty before the first.
    """
    message = TeleopCommand(
        robot=config.robot,
        sequence=sequence,
        device=config.device,
        active=drive.active,
        linear=drive.linear_m_s,
        angular=drive.angular_rad_s,
        gripper_opening=drive.gripper_opening,
    )
    message.header.stamp = stamp_of_nanoseconds(drive.stamp_ns)
    message.header.frame_id = base_frame
    return message
