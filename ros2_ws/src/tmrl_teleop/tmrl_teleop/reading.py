"""What a device says at one instant."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """Axes and buttons of a device.

    Attributes:
        stamp_ns: ROS time of the reading, ns.
        axes: Deflections, -1 to 1.
        buttons: Whether each is pressed.
    """

    stamp_ns: int
    axes: tuple[float, ...] = ()
    buttons: tuple[bool, ...] = ()

    def pressed(self, button: int) -> bool:
        """Whether a button is pressed; one that the device lacks, or -1, is not."""
        return 0 <= button < len(self.buttons) and self.buttons[button]


@dataclass(frozen=True)
class Velocity:
    """A velocity that a device asks for, as geometry_msgs/Twist has it.

    Attributes:
        stamp_ns: ROS time of the reading, ns.
        linear_m_s: Of the tool, m/s.
        angular_rad_s: Of the tool, rad/s.
    """

    stamp_ns: int
    linear_m_s: tuple[float, float, float]
    angular_rad_s: tuple[float, float, float]
