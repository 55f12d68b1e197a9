"""Parameters of the console."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from tmrl_common.constraints import NotEmpty, Range, check_fields
from tmrl_common.errors import ConfigError
from tmrl_common.ros_names import RosName
from tmrl_console.keys import KeyBinding

ADDRESS_FILE = "console.url"
"""In the run directory: where the page is found."""
FIRST_PORT = 8350
PORTS = range(FIRST_PORT, FIRST_PORT + 100)
"""Where a console without a port of its own looks for a free one, the lowest first."""


@dataclass(frozen=True)
class ConsoleConfig:
    """Where the console is reached, by whom, and what a person may do there.

    Attributes:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run; empty: whatever session is running.
        run_dir: Directory of the run; the console's address is noted in `console.url` below it.
            Empty: only the log has it.
        host: Address on which the page is served. Anything but this machine's own (127.0.0.1)
            needs a password_file.
        port: TCP port of the page; 0: 8350, or the next one that is free.
        password_file: File with the password's hash, as `python -m tmrl_console.password` writes
            it; whoever opens the page is asked for the password. Empty: nobody is asked.
        cameras: Names of the cameras that are shown.
        camera_topics: Their topics, in the same order; sensor_msgs/CompressedImage where the name
            ends in /compressed, sensor_msgs/Image otherwise. Empty: camera/<name>/image.
        best_effort_images: Whether the cameras' drivers publish best effort ("sensor data").
        camera_rate_hz: Pictures per second and camera that a page gets at most.
        max_image_px: Longest side of a picture on its way to the page.
        jpeg_quality: Of those pictures, 1 to 95.
        keys: Further keys and pedals, each as CODE=action, such as F13=success, with the key's
            `event.code` in a browser. They add to the standard keys; Escape stays the e-stop.
        drive_speed_m_s: Speed of the tool while a person drives with keys.
        drive_turn_rad_s: The same of its rotation.
        max_silence_s: Whoever drives and is silent for longer has let go of the dead-man switch.
        service_timeout_s: Longest wait for an answer of another node, wall time.
    """

    robot: Annotated[str, NotEmpty("widowx")]
    session: str = ""
    run_dir: str = ""
    host: Annotated[str, NotEmpty("127.0.0.1")] = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 0
    password_file: str = ""
    cameras: Annotated[tuple[str, ...], RosName("camera")] = ()
    camera_topics: tuple[str, ...] = ()
    best_effort_images: bool = False
    camera_rate_hz: Annotated[float, Range(0.0, 60.0, above=True)] = 15.0
    max_image_px: Annotated[int, Range(32, 1920)] = 640
    jpeg_quality: Annotated[int, Range(1, 95)] = 80
    keys: Annotated[tuple[str, ...], KeyBinding()] = ()
    drive_speed_m_s: Annotated[float, Range(0.0, 0.5, above=True, unit="m/s")] = 0.05
    drive_turn_rad_s: Annotated[float, Range(0.0, 1.0, above=True, unit="rad/s")] = 0.3
    max_silence_s: Annotated[float, Range(0.05, 0.5, unit="s")] = 0.15
    service_timeout_s: Annotated[float, Range(0.0, 60.0, above=True, unit="s")] = 5.0

    def __post_init__(self) -> None:
        """Refuses what would leave the arm to a whole network, or a camera without a topic.

        Raises:
            ConfigError: Names the value and the remedy.
        """
        check_fields(self)
        if not self.is_local and not self.password_file:
            raise ConfigError(
                f"host {self.host!r} is open to the network, and there is no password_file: make "
                "one with `python -m tmrl_console.password FILE` and name it, or leave host at "
                "127.0.0.1"
            )
        if self.camera_topics and len(self.camera_topics) != len(self.cameras):
            raise ConfigError(
                f"camera_topics names {len(self.camera_topics)} topics for {len(self.cameras)} "
                "cameras: give one topic for each camera, in the same order, or none"
            )

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def topics(self) -> dict[str, str]:
        """The topic of each camera."""
        if self.camera_topics:
            return dict(zip(self.cameras, self.camera_topics, strict=True))
        return {name: f"camera/{name}/image" for name in self.cameras}
