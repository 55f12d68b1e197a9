"""The ROS shell of the console: listens, calls services, publishes what a person drives."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rclpy.client import Client
from std_msgs.msg import Bool

from tmrl_common.clock import SteadyClock
from tmrl_common.storage import write_text
from tmrl_console.about import about
from tmrl_console.access import Access, read_password
from tmrl_console.asking import ServicesRobot
from tmrl_console.board import Board
from tmrl_console.cameras import Cameras
from tmrl_console.desk import Desk
from tmrl_console.drive import TICK_S, DriveLimits, Driving, Reading
from tmrl_console.feeds import Feeds
from tmrl_console.params import ADDRESS_FILE, ConsoleConfig
from tmrl_console.picture_topics import PictureTopics
from tmrl_console.run_section import run_section
from tmrl_console.server import Served, make_app
from tmrl_console.services import every_service
from tmrl_console.videos import Videos
from tmrl_console.web_thread import WebThread, listen
from tmrl_msgs.msg import TeleopCommand
from tmrl_recorder.file_names import FOLDER
from tmrl_ros import qos
from tmrl_ros.node import TmrlNode
from tmrl_ros.run import run_node

DEVICE = "web"
_REFRESH_S = 0.25


class ConsoleNode(TmrlNode[ConsoleConfig]):
    """Serves the page; its end changes nothing in the session."""

    def __init__(self) -> None:
        """Opens the port, and listens to the session.

        Raises:
            ParameterError: A parameter is unknown, missing or out of range.
            AccessError: The password's file cannot be used.
            PortError: The page cannot be served at the address that was asked for.
        """
        self._opened = ExitStack()
        super().__init__("console", ConsoleConfig)
        config, clock = self.config, SteadyClock()
        self._board = Board()
        self._feeds = Feeds(self._board, config.robot, config.session, clock)
        limits = DriveLimits(config.drive_speed_m_s, config.drive_turn_rad_s, config.max_silence_s)
        self._driving = Driving(limits, clock, lambda: self._feeds.gripper)
        cameras = Cameras(config.topics, config.max_image_px, config.jpeg_quality)
        self._pictures = PictureTopics(self, cameras)
        self._sequence = 0
        self._connect()
        self._web = self._serve(cameras, clock)
        self._opened.callback(self._web.close)
        self._web.start()
        self._say_where(self._web.address)

    def health(self) -> tuple[str, dict[str, str]]:
        """Where the page is."""
        return "", {"address": self._web.address}

    def _serve(self, cameras: Cameras, clock: SteadyClock) -> WebThread:
        config = self.config
        password = read_password(Path(config.password_file)) if config.password_file else None
        self._board.pin("about", about(config, asks_password=password is not None))
        desk = Desk(self._robot(), self._board, self._driving, config.service_timeout_s)
        period_s = 1.0 / config.camera_rate_hz
        videos = Videos(Path(config.run_dir, FOLDER))
        served = Served(self._board, desk, cameras, Access(password, clock), videos, period_s)
        return WebThread(make_app(served), listen(config.host, config.port))

    def _say_where(self, address: str) -> None:
        self.get_logger().info(f"console: {address}")
        if self.config.run_dir:
            write_text(Path(self.config.run_dir, ADDRESS_FILE), f"{address}\n")

    def destroy_node(self) -> None:
        """Ends the web server, then the node."""
        self._opened.close()
        super().destroy_node()

    def _connect(self) -> None:
        for topic in self._feeds.topics():
            self.create_subscription(topic.kind, topic.name, topic.take, topic.profile)
        self._teleop = self.create_publisher(TeleopCommand, "teleop/command", qos.STATE)
        self._estop = self.create_publisher(Bool, "controller/estop", qos.EVENT)
        self.create_timer(TICK_S, self._drive, clock=self.wall_clock)
        self.create_timer(_REFRESH_S, self._refresh, clock=self.wall_clock)

    def _robot(self) -> ServicesRobot:
        clients: dict[str, Client[Any, Any]] = {
            name: self.create_client(kind, name) for name, kind in every_service().items()
        }
        return ServicesRobot(clients, lambda: self._estop.publish(Bool(data=True)), self._board)

    def _drive(self) -> None:
        reading = self._driving.tick()
        if reading is not None:
            self._teleop.publish(self._command(reading))

    def _command(self, reading: Reading) -> TeleopCommand:
        self._sequence += 1
        message = TeleopCommand(
            robot=self.config.robot,
            sequence=self._sequence,
            device=DEVICE,
            active=reading.active,
            linear=reading.linear_m_s,
            angular=reading.angular_rad_s,
            gripper_opening=reading.gripper,
        )
        message.header.stamp = self.get_clock().now().to_msg()
        return message

    def _refresh(self) -> None:
        self._feeds.refresh()
        if self.config.run_dir:
            self._board.pin("run", run_section(Path(self.config.run_dir)))
        self._pictures.refresh()
        if not self._web.is_alive():
            raise RuntimeError("the web server's thread has ended; its error stands above")


def main() -> None:
    """Entry point of `ros2 run tmrl_console console`."""
    sys.exit(run_node(ConsoleNode))
