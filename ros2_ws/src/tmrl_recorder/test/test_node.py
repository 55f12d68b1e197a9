"""The recorder over DDS: what a robot says is in the file, as it was said, and nobody waits."""

import io
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from diagnostic_msgs.msg import DiagnosticArray
from PIL import Image as Pillow
from rclpy.node import Node
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import Image
from std_msgs.msg import String

from tmrl_common.testing.waiting import wait_until
from tmrl_msgs import msg
from tmrl_recorder import node as node_module
from tmrl_recorder.file_names import FOLDER
from tmrl_recorder.node import RecorderNode
from tmrl_ros import qos
from tmrl_ros.message_definitions import message_definition
from tmrl_ros.testing import NodeBench, parameter_arguments

pytestmark = pytest.mark.ros

SESSION = "s"
OURS = ("tmrl_msgs/msg/EpisodeState", "tmrl_msgs/msg/ArmState")


class Robot(Node):
    """Says what a robot says."""

    def __init__(self) -> None:
        super().__init__("robot")
        make = self.create_publisher
        self.state = make(msg.EpisodeState, "episode/state", qos.STATUS)
        self.arm = make(msg.ArmState, "arm/state", qos.STATE)
        self.outcome = make(msg.ChunkOutcome, "controller/outcome", qos.EVENT)
        self.image = make(Image, "camera/wrist/image", qos.IMAGE)
        self.depth = make(Image, "camera/wrist/depth", qos.IMAGE)
        self.description = make(String, "robot_description", qos.STATUS)
        self.description.publish(String(data="<robot/>"))
        self.health: list = []
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, 10)

    def _on_health(self, message: DiagnosticArray) -> None:
        self.health += [s for s in message.status if s.hardware_id == "recorder"]

    def say_state(self, episode: int, state: int, session: str = SESSION) -> None:
        self.state.publish(msg.EpisodeState(session=session, episode=episode, state=state))

    def say_arm(self, sequence: int) -> None:
        self.arm.publish(msg.ArmState(robot="widowx", sequence=sequence))

    def say_picture(self) -> None:
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[:, 32:] = (250, 20, 20)
        picture = Image(height=48, width=64, step=192, encoding="rgb8", data=pixels.tobytes())
        self.image.publish(picture)
        depth = Image(height=2, width=2, step=4, encoding="16UC1", data=bytes(8))
        self.depth.publish(depth)


@pytest.fixture
def bench(ros_domain_id: int, tmp_path: Path) -> Iterator[NodeBench]:
    parameters = {"robot": "widowx", "session": SESSION, "run_dir": tmp_path, "tail_s": 0.5}
    with NodeBench(ros_domain_id, "recorder", parameters) as bench:
        yield bench


def messages(folder: Path) -> dict[str, list]:
    """Everything in the recordings, decoded by a reader of somebody else with their own schemas."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for kind in OURS:
        store.register(get_types_from_msg(message_definition(kind).decode(), kind))
    found: dict[str, list] = {}
    with Reader(folder) as bag:
        for connection, _, data in bag.messages():
            message = store.deserialize_cdr(bytes(data), connection.msgtype)
            found.setdefault(connection.topic, []).append(message)
    return found


def test_what_was_said_is_in_the_file(
    bench: NodeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    robot = bench.add(Robot)
    recorder = bench.add(RecorderNode)
    topics = [p.topic_name for p in (robot.arm, robot.state, robot.image, robot.depth)]
    bench.until(lambda: set(topics) <= set(recorder._topics.topics), "subscriptions")
    bench.until(
        lambda: all(p.get_subscription_count() for p in (robot.arm, robot.state, robot.image)),
        "discovery",
    )
    robot.say_state(7, msg.EpisodeState.RUNNING, "another session")
    robot.say_state(3, msg.EpisodeState.RUNNING)
    recording = recorder._writer
    bench.until(lambda: recording.recording and recording.recording.episode == 3, "a recording")
    for sequence in range(1, 51):
        robot.say_arm(sequence)
        robot.say_picture()
        bench.until(lambda n=sequence: recording.recording.messages > n, "messages")
    robot.say_state(3, msg.EpisodeState.IDLE)
    folder = tmp_path / FOLDER
    bench.until(lambda: (folder / "episode_0003.mcap").exists(), "the end of the file")

    found = messages(folder)
    assert [m.sequence for m in found["/arm/state"]] == list(range(1, 51))
    assert [m.data for m in found["/robot_description"]] == ["<robot/>"]
    assert {m.session for m in found["/episode/state"]} >= {SESSION}
    assert "/camera/wrist/depth" not in found
    picture = found["/camera/wrist/image/compressed"][0]
    with Pillow.open(io.BytesIO(picture.data.tobytes())) as jpeg:
        pixels = np.array(jpeg)
    assert pixels.shape == (48, 64, 3)
    assert abs(pixels[10, 50].astype(int) - (250, 20, 20)).max() < 30
    assert "/controller/outcome" not in recorder._topics.topics


def test_it_is_never_the_first_listener_of_what_a_publisher_waits_for(bench: NodeBench) -> None:
    robot = bench.add(Robot)
    recorder = bench.add(RecorderNode)
    topic = robot.outcome.topic_name
    bench.until(lambda: robot.arm.topic_name in recorder._topics.topics, "other topics")
    assert topic not in recorder._topics.topics

    agent = bench.add(lambda: Node("agent"))
    heard = agent.create_subscription(msg.ChunkOutcome, topic, lambda _: None, qos.EVENT)
    bench.until(lambda: topic in recorder._topics.topics, "its subscription")
    agent.destroy_subscription(heard)
    bench.until(lambda: robot.outcome.get_subscription_count() == 0, "nobody, as before")


def test_a_full_disk_is_in_the_diagnostics(
    bench: NodeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = node_module.shutil.disk_usage("/")
    monkeypatch.setattr(node_module.shutil, "disk_usage", lambda _: usage._replace(free=10**8))
    robot = bench.add(Robot)
    recorder = bench.add(RecorderNode)
    bench.until(lambda: robot.state.topic_name in recorder._topics.topics, "its subscription")

    robot.say_state(1, msg.EpisodeState.RUNNING)

    bench.until(lambda: any("min_free_gb" in s.message for s in robot.health), "its report")


@pytest.fixture
def process(ros_domain_id: int, tmp_path: Path) -> Iterator[subprocess.Popen]:
    program = Path(get_package_prefix("tmrl_recorder"), "lib", "tmrl_recorder", "recorder")
    parameters = {"robot": "widowx", "session": SESSION, "run_dir": str(tmp_path)}
    command = [str(program), *parameter_arguments(parameters)]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros_domain_id)}
    process = subprocess.Popen(command, env=environment)
    yield process
    process.kill()
    process.wait()


def test_a_kill_costs_at_most_a_second_of_what_came_over_dds(
    bench: NodeBench, process: subprocess.Popen, tmp_path: Path
) -> None:
    robot = bench.add(Robot)
    folder = tmp_path / FOLDER
    bench.until(lambda: robot.arm.get_subscription_count() == 1, "the recorder")
    bench.until(lambda: robot.state.get_subscription_count() == 1, "the recorder")
    robot.say_state(1, msg.EpisodeState.RUNNING)
    part = folder / "episode_0001.mcap.part"
    bench.until(part.exists, "a file")
    said: list[float] = []

    def said_enough() -> bool:
        said.append(time.monotonic())
        robot.say_arm(len(said))
        return part.stat().st_size > 10_000

    wait_until(said_enough, "a file of some length", 60.0)
    process.send_signal(signal.SIGKILL)
    process.wait()

    recorder = bench.add(RecorderNode)
    bench.until(lambda: recorder._writer.recording, "the recovery")
    assert not part.exists()
    found = [m.sequence for m in messages(folder)["/arm/state"]]
    assert said[-1] - said[found[-1] - 1] <= 1.0


def test_a_frozen_recorder_keeps_nobody_waiting(
    bench: NodeBench, process: subprocess.Popen
) -> None:
    robot = bench.add(Robot)
    heard: list[int] = []
    other = bench.add(lambda: Node("controller"))
    other.create_subscription(
        msg.ArmState, "arm/state", lambda m: heard.append(m.sequence), qos.STATE
    )
    bench.until(lambda: robot.arm.get_subscription_count() == 2, "both listeners")
    process.send_signal(signal.SIGSTOP)
    try:
        for sequence in range(1, 501):
            robot.say_arm(sequence)
            bench.until(lambda n=sequence: n in heard, f"message {sequence}")
            robot.say_picture()
    finally:
        process.send_signal(signal.SIGCONT)
