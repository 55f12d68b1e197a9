"""The agent and its camera over DDS: what it does when the camera dies, freezes or goes dark."""

import array
import io
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("tmrl_camera", reason="needs the built ROS workspace: ./tmrl run pytest")

from geometry_msgs.msg import Pose
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from tmrl_agent.node import AgentNode
from tmrl_agent.testing import SPEC as WITHOUT_CAMERAS
from tmrl_camera.messages import fill_image
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_msgs import msg
from tmrl_ros import qos
from tmrl_ros.testing import NodeBench, outcome_of, parameter_arguments

pytestmark = pytest.mark.ros

STEPS = 2
SPEC = replace(WITHOUT_CAMERAS, proprio_dim=1, context_dim=0, cameras=("wrist",))
AGENT = {
    "robot": "widowx",
    "session": "run",
    "proprio_fields": "[tool_x]",
    "cameras": "[wrist]",
    "wait_warning_s": 0.5,
    "max_observation_age_s": 1.0,
    "frozen_after_s": 0.5,
    "execute_steps": STEPS,
}


class World(Node):
    """An arm whose state rises at 20 Hz, a controller that executes at that pace, an operator."""

    def __init__(self):
        super().__init__("world")
        self.sequence = 0
        self.chunk, self.steps_left = None, 0
        self.chunks, self.transitions = [], []
        self.reason = self.waits_for = ""
        self.arm = self.create_publisher(msg.ArmState, "arm/state", qos.STATE)
        self.outcome = self.create_publisher(msg.ChunkOutcome, "controller/outcome", qos.EVENT)
        self.controller = self.create_publisher(
            msg.ControllerStatus, "controller/status", qos.STATUS
        )
        self.episode = self.create_publisher(msg.EpisodeState, "episode/state", qos.STATUS)
        self.image = self.create_publisher(Image, "camera/wrist/image", qos.IMAGE)
        self.create_subscription(msg.ActionChunk, "policy/chunk", self.on_chunk, qos.EVENT)
        self.create_subscription(
            msg.Transition, "replay/transitions", self.transitions.append, qos.EVENT
        )
        self.create_subscription(msg.AgentStatus, "agent/status", self.on_status, qos.STATUS)
        self.create_timer(0.05, self.tick)

    def on_status(self, status):
        self.reason, self.waits_for = status.reason, status.waits_for

    def on_chunk(self, chunk):
        assert self.steps_left == 0, "one chunk at a time"
        self.chunks.append(chunk)
        self.chunk, self.steps_left = chunk, chunk.execute_steps
        self.started = self.get_clock().now().to_msg()

    def prolong(self):
        """Lets the chunk in progress last until every picture of its beginning is out of date."""
        self.steps_left += 30

    def tick(self):
        self.sequence += 1
        now = self.get_clock().now().to_msg()
        state = msg.ArmState(robot="widowx", sequence=self.sequence, x_base_tool=Pose())
        state.header.stamp = now
        self.arm.publish(state)
        if self.steps_left:
            self.steps_left -= 1
            if not self.steps_left:
                outcome = outcome_of(self.chunk, self.started, now, self.sequence)
                self.outcome.publish(outcome)

    def run(self):
        self.controller.publish(
            msg.ControllerStatus(
                mode=msg.ControllerStatus.POLICY, sigma_cap=0.5, z_cap=2.0, epsilon_cap=3.0
            )
        )
        state = msg.EpisodeState(session="run", episode=1, state=msg.EpisodeState.RUNNING)
        self.episode.publish(state)


class Camera:
    """A camera driver of somebody else: any node that publishes sensor_msgs/Image."""

    def __init__(self, world, encoding="rgb8", shape=(48, 64)):
        self.encoding, self.shape = encoding, shape
        self.mode = "live"
        self.rng = np.random.default_rng(0)
        self.frozen = self.picture()
        self.publisher = world.image
        world.create_timer(0.05, self.tick)

    def picture(self):
        return self.rng.integers(0, 256, (*self.shape, 3), dtype=np.uint8)

    def tick(self):
        pictures = {"live": self.picture, "frozen": lambda: self.frozen}
        pixels = pictures.get(self.mode, lambda: self.picture() // 64)()
        message = Image(encoding=self.encoding)
        fill_image(message, pixels)
        self.publisher.publish(message)


class Stack(NodeBench):
    """One agent and its world."""

    def __init__(self, run_dir, server, domain_id, **changes):
        given = AGENT | {"run_dir": str(run_dir), "server": server.endpoint} | changes
        super().__init__(domain_id, "agent", given)
        self.server = server
        self.agent = self.add(AgentNode)
        self.world = self.add(World)

    def until(self, condition, what):
        try:
            super().until(condition, what)
        except TimeoutError as error:
            world = self.world
            error.add_note(f"the agent's reason: {world.reason}, it waits for {world.waits_for}")
            error.add_note(f"chunks {len(world.chunks)}, requests {len(self.server.requests)}")
            raise

    def run(self, driver=None):
        world = self.world
        peers = (world.arm, world.outcome, world.episode, world.controller, driver or world.image)
        self.until(
            lambda: (
                all(p.get_subscription_count() for p in peers)
                and world.count_publishers("policy/chunk")
                and (driver or self.agent.count_publishers("camera/wrist/image"))
            ),
            "discovery",
        )
        world.run()

    def more_chunks(self, count):
        wanted = len(self.world.chunks) + count
        self.until(lambda: len(self.world.chunks) >= wanted, f"{count} chunks")

    def stands_still(self, why):
        """The agent says why it waits, and meanwhile sends no chunk."""
        world = self.world
        self.until(lambda: why in world.reason, f"'{why}'")
        chunks, told_at = len(world.chunks), world.sequence
        self.until(lambda: world.sequence > told_at + 20, "a second of waiting")
        assert len(world.chunks) == chunks
        self.until(lambda: why in world.reason, f"'{why}', still")

    def aborted(self, chunk):
        """Whether the newest transition of that chunk was marked."""
        self.until(
            lambda: any(t.chunk == chunk for t in self.world.transitions),
            f"the transition of chunk {chunk}",
        )
        return [t.aborted for t in self.world.transitions if t.chunk == chunk][-1]


@pytest.fixture
def start(tmp_path, ros_domain_id):
    with FakePolicyServer(SPEC) as server, ExitStack() as stacks:

        def make(**changes):
            return stacks.enter_context(Stack(tmp_path, server, ros_domain_id, **changes))

        yield make


@pytest.fixture
def camera_process():
    """Starts the camera node on a software RealSense, as a process of its own."""
    processes = []

    def make():
        given = {
            "robot": "widowx",
            "camera": "wrist",
            "serial": "'0123'",
            "width_px": 64,
            "height_px": 48,
        }
        command = [sys.executable, "-m", "tmrl_camera.testing", *parameter_arguments(given)]
        processes.append(subprocess.Popen(command))
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        process.wait()


def test_a_camera_that_is_killed_stops_the_chunks_until_it_is_back(start, camera_process):
    stack = start()
    process = camera_process()
    stack.run()
    stack.more_chunks(3)
    stack.world.prolong()
    process.send_signal(signal.SIGKILL)
    process.wait()
    stack.stands_still("camera/wrist/image is ")
    last_blind = stack.world.chunks[-1].chunk
    camera_process()
    stack.more_chunks(3)
    stack.until(lambda: not stack.world.reason, "health")
    assert stack.aborted(last_blind), "nothing trustworthy was seen after it"
    assert not stack.aborted(last_blind + 1)
    assert [c.chunk for c in stack.world.chunks] == list(range(len(stack.world.chunks)))


@pytest.mark.parametrize(
    ("mode", "sentence"), [("frozen", "camera/wrist/image is frozen"), ("black", "is black")]
)
def test_pictures_that_show_nothing_new_or_nothing_at_all_stop_the_chunks(start, mode, sentence):
    stack = start()
    camera = Camera(stack.world)
    stack.run()
    stack.more_chunks(2)
    camera.mode = mode
    stack.world.prolong()
    stack.stands_still(sentence)
    last_blind = stack.world.chunks[-1].chunk
    camera.mode = "live"
    stack.more_chunks(2)
    assert stack.aborted(last_blind)


def test_the_driver_of_somebody_else_may_send_files_as_sensor_data(start):
    topic = "/usb_cam/image_raw/compressed"
    stack = start(camera_topics=f"[{topic}]", best_effort_images="true")
    world = stack.world
    driver = world.create_publisher(CompressedImage, topic, qos_profile_sensor_data)
    camera = Camera(world)

    def publish():
        file = io.BytesIO()
        PIL.Image.fromarray(camera.picture()).save(file, format="JPEG")
        data = array.array("B", file.getvalue())
        driver.publish(CompressedImage(format="rgb8; jpeg compressed bgr8", data=data))

    world.create_timer(0.05, publish)
    stack.run(driver)
    stack.more_chunks(2)
    assert stack.server.requests[-1].observation.images["wrist"].shape == (48, 64, 3)


def test_another_resolution_is_looked_at_and_another_encoding_is_refused_by_name(start):
    stack = start(max_image_px=64)
    camera = Camera(stack.world)
    stack.run()
    stack.more_chunks(1)
    camera.shape, camera.encoding = (60, 128), "bgr8"
    stack.until(
        lambda: stack.server.requests[-1].observation.images["wrist"].shape == (30, 64, 3),
        "the other resolution, made smaller",
    )
    camera.encoding = "mono8"
    stack.stands_still("encoding 'mono8'; the policy needs colour")
    camera.encoding = "rgb8"
    stack.more_chunks(1)
