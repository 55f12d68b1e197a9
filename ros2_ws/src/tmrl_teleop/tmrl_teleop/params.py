"""Parameters of the teleoperation node."""

from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, OneOf, Range, check_fields
from tmrl_common.errors import ConfigError

DEVICES = ("joy", "twist", "spacemouse", "gamepad")
LOCAL = ("spacemouse", "gamepad")
"""Those that are read on this machine."""
REPEAT_S = 0.05
"""How often a state that still holds is said again by those, s."""
AXES = ("x", "y", "z", "roll", "pitch", "yaw")
NONE = -1

Button = Annotated[int, Range(NONE, 63)]


@dataclass(frozen=True)
class TeleopConfig:
    """One device, what its axes and buttons do, and how fast it may ask the arm to move.

    The defaults of axes and buttons are those of an Xbox pad, read here or by `joy_node`. The
    controller limits whatever comes from here as it limits the policy.

    Attributes:
        robot: Name of the arm.
        person: Who drives, for labels that are given with a button.
        device: "joy": sensor_msgs/Joy on teleop/joy, from any driver. "twist":
            geometry_msgs/TwistStamped on teleop/twist, with the buttons of teleop/joy.
            "gamepad": a gamepad or joystick on this machine. "spacemouse": a 3Dconnexion SpaceMouse
            on this machine.
        device_path: Of a gamepad, such as /dev/input/by-id/usb-...-event-joystick, or a SpaceMouse,
            such as /dev/hidraw3; empty: the only gamepad, the first SpaceMouse that is found.
        frame: Frame in which the person steers: "base" of the arm, or its "tool".
        axes: Which axis of the device moves x, y, z and turns roll, pitch, yaw; -1: none.
        directions: Sign and weight of each of the six, -1 to 1.
        dead_zone: Deflection below which an axis is at rest.
        max_linear_m_s: Speed of the tool at full deflection, m/s.
        max_angular_rad_s: Turning speed of the tool at full deflection, rad/s.
        dead_man: Button that is held to drive; -1, for a SpaceMouse and what springs back as well,
            not for a gamepad: any deflection drives.
        gripper_close: Button that closes the gripper while it is held while driving; -1: none.
        gripper_open: Button that opens it.
        gripper_axis: Axis that sets the opening, -1 closed to 1 open, in the place of the buttons;
            -1: none.
        gripper_speed: Change of the opening per second while a button is held.
        resume: Button for controller/resume.
        home: Button for arm/home.
        estop: Button that presses the e-stop of the controller.
        success: Button that labels the episode a success.
        failure: Button that labels it a failure.
        rate_hz: Teleop commands per second while somebody drives.
        silence_s: A device that says nothing for longer than this is let go of, s.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    person: str = ""
    device: Annotated[str, OneOf(*DEVICES)] = "joy"
    device_path: str = ""
    frame: Annotated[str, OneOf("base", "tool")] = "base"
    axes: Annotated[tuple[int, ...], Range(NONE, 31)] = (1, 0, 4, -1, -1, 3)
    directions: Annotated[tuple[float, ...], Range(-1.0, 1.0)] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    dead_zone: Annotated[float, Range(0.0, 0.9)] = 0.1
    max_linear_m_s: Annotated[float, Range(0.0, 0.5, above=True, unit="m/s")] = 0.1
    max_angular_rad_s: Annotated[float, Range(0.0, 1.5, above=True, unit="rad/s")] = 0.5
    dead_man: Button = 5
    gripper_close: Button = 0
    gripper_open: Button = 1
    gripper_axis: Annotated[int, Range(NONE, 31)] = NONE
    gripper_speed: Annotated[float, Range(0.0, 10.0, above=True)] = 1.0
    resume: Button = 7
    home: Button = NONE
    estop: Button = 6
    success: Button = 3
    failure: Button = 2
    rate_hz: Annotated[float, Range(5.0, 200.0)] = 50.0
    silence_s: Annotated[float, Range(0.0, 1.0, above=True, unit="s")] = 0.25

    def __post_init__(self) -> None:
        """Refuses what would steer in a way that nobody expects.

        Raises:
            ConfigError: Names the value and what it must be.
        """
        check_fields(self)
        for name in ("axes", "directions"):
            if len(getattr(self, name)) != len(AXES):
                raise ConfigError(
                    f"{name} has {len(getattr(self, name))} values; it needs {len(AXES)}: "
                    f"{', '.join(AXES)}"
                )
        self._check_buttons()
        self._check_local()
        if self.dead_man == NONE and self.dead_zone == 0.0:
            raise ConfigError(
                "dead_zone is 0 and dead_man -1: the noise of the device would drive the arm; "
                "give dead_zone at least 0.05, or a button as dead_man"
            )

    def _check_local(self) -> None:
        if self.device == "gamepad" and self.dead_man == NONE:
            raise ConfigError(
                "dead_man is -1 and device 'gamepad': a pad that is knocked over, or whose radio "
                "is gone, would drive the arm; give the number of the button that is held to drive"
            )
        if self.device in LOCAL and self.silence_s < 2 * REPEAT_S:
            raise ConfigError(
                f"silence_s is {self.silence_s:g}, and what is held on a {self.device} is said "
                f"again each {REPEAT_S:g} s; give at least {2 * REPEAT_S:g}"
            )

    def _check_buttons(self) -> None:
        users: dict[int, str] = {}
        for name, button in self.buttons.items():
            if button != NONE and button in users:
                raise ConfigError(
                    f"{name} and {users[button]} are both button {button}; give each its own"
                )
            users[button] = name

    @property
    def buttons(self) -> dict[str, int]:
        """Button of each function, by the name of the parameter."""
        names = ("dead_man", "gripper_close", "gripper_open", "resume", "home", "estop")
        return {name: getattr(self, name) for name in (*names, "success", "failure")}
