"""The node over real DDS, with the SDK's software device in the place of hardware."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest

pytest.importorskip("tmrl_camera", reason="needs the built ROS workspace: ./tmrl run pytest")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from tmrl_camera.node import CameraNode
from tmrl_camera.realsense import RealSenseCamera
from tmrl_camera.testing import SoftwareCamera
from tmrl_ros import qos
from tmrl_ros.testing import TIMEOUT_S, NodeBench, parameter_arguments

pytestmark = pytest.mark.ros

SERIAL = "0123456789"
GIVEN = {
    "robot": "widowx",
    "camera": "wrist",
    "serial": f"'{SERIAL}'",
    "width_px": 64,
    "height_px": 48,
    "retry_first_s": 0.05,
    "retry_max_s": 0.1,
    "frame_timeout_s": 0.5,
}


class Viewer(Node):
    """Looks at everything that the camera publishes."""

    def __init__(self):
        super().__init__("viewer")
        self.images, self.infos, self.depths, self.health = [], [], [], []
        for kind, topic, seen in (
            (Image, "camera/wrist/image", self.images),
            (CameraInfo, "camera/wrist/camera_info", self.infos),
            (Image, "camera/wrist/depth", self.depths),
        ):
            self.create_subscription(kind, topic, seen.append, qos.IMAGE)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.health.append, 10)

    @property
    def problem(self):
        status = self.health[-1].status[0] if self.health else None
        return status.message if status and status.level == DiagnosticStatus.ERROR else ""

    @property
    def figures(self):
        return {each.key: each.value for each in self.health[-1].status[0].values}


class Stack(NodeBench):
    """One camera node, its device and a viewer."""

    def __init__(self, domain_id, device, **changes):
        super().__init__(domain_id, "camera", GIVEN | changes)
        self.add(lambda: CameraNode(lambda config: RealSenseCamera(config, device.devices)))
        self.viewer = self.add(Viewer)


@pytest.fixture
def device():
    with SoftwareCamera(SERIAL) as made:
        yield made


@pytest.fixture
def start(ros_domain_id, device):
    with ExitStack() as stacks:
        yield lambda **changes: stacks.enter_context(Stack(ros_domain_id, device, **changes))


def test_pictures_carry_frame_stamp_and_calibration(start):
    stack = start(depth=True)
    viewer = stack.viewer
    stack.until(lambda: len(viewer.images) > 5 and len(viewer.infos) > 5, "pictures")
    stack.until(lambda: viewer.depths, "depth")
    image, info = viewer.images[-1], viewer.infos[-1]
    assert (image.width, image.height, image.encoding) == (64, 48, "rgb8")
    assert np.array(image.data, dtype=np.uint8).std() > 50
    assert (info.width, info.height, info.k[0]) == (64, 48, 60.0)
    assert viewer.depths[-1].encoding == "16UC1"
    for message in (image, info, viewer.depths[-1]):
        assert message.header.frame_id == "widowx/wrist"
    now_s = time.time()
    stamps_s = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in viewer.images]
    assert stamps_s == sorted(set(stamps_s))
    assert now_s - TIMEOUT_S < stamps_s[-1] <= now_s


def test_a_camera_that_is_unplugged_is_named_and_comes_back(start, device):
    stack = start()
    viewer = stack.viewer
    stack.until(lambda: viewer.images, "a picture")
    device.plugged, device.silent = False, True
    stack.until(lambda: f"no camera with serial number {SERIAL}" in viewer.problem, "the sentence")
    seen = len(viewer.images)
    device.plugged, device.silent = True, False
    stack.until(lambda: len(viewer.images) > seen, "pictures again")
    stack.until(lambda: not viewer.problem, "health")
    stack.until(lambda: float(viewer.figures["rate_hz"]) > 0.0, "a rate")
    assert SERIAL in viewer.figures["device"]


def test_a_camera_may_come_after_the_node(start, device):
    device.plugged = False
    stack = start()
    stack.until(lambda: "connected: none" in stack.viewer.problem, "the sentence")
    device.plugged = True
    stack.until(lambda: stack.viewer.images, "a picture")


def run_process(**changes):
    command = [sys.executable, "-m", "tmrl_camera.testing", *parameter_arguments(GIVEN | changes)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("ros_domain_id")
def test_the_process_ends_cleanly_while_pictures_flow():
    process = run_process()
    lines = iter(process.stderr.readline, "")
    assert any("opened Software RealSense" in line for line in lines)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 0, rest


@pytest.mark.usefixtures("ros_domain_id")
def test_a_serial_number_that_is_no_text_is_a_sentence_at_the_start():
    process = run_process(serial=123)
    problem = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 2
    assert "serial is 123; it must be text: put it into quotes" in problem
