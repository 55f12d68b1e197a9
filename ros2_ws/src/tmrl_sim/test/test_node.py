"""The node as a process of its own, over real DDS."""

import signal
import subprocess
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the workspace to be built")

import rclpy
from ament_index_python.packages import get_package_prefix
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from tmrl_cell.camera_model import pinhole
from tmrl_cell.cell import WidowXCell
from tmrl_cell.trajectory import load_trajectory, trajectory_path
from tmrl_msgs.msg import (
    ArmCommand,
    ArmState,
    EpisodeState,
    ObjectPoses,
    SuccessDetection,
)
from tmrl_msgs.srv import ResetScene
from tmrl_ros import qos
from tmrl_ros.conversion import to_seconds
from tmrl_ros.testing import TIMEOUT_S, parameter_arguments, spin_until

pytestmark = pytest.mark.ros

TOPICS = {
    "arm/state": (ArmState, qos.STATE),
    "arm/tool_pose": (PoseStamped, qos.STATE),
    "joint_states": (JointState, qos.STATE),
    "perception/objects": (ObjectPoses, qos.STATE),
    "task/success": (SuccessDetection, qos.VERDICT),
    "/clock": (Clock, qos.STATE),
}


def start_sim(**parameters: object) -> subprocess.Popen[str]:
    program = Path(get_package_prefix("tmrl_sim"), "lib", "tmrl_sim", "sim")
    arguments = [*parameter_arguments(parameters), "-r", "__ns:=/widowx"]
    return subprocess.Popen([program, *arguments], stderr=subprocess.PIPE, text=True)


class Client:
    """What the rest of the stack is to the simulation."""

    def __init__(self, domain_id: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node("client", namespace="/widowx", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.received = defaultdict(list)
        self._subscriptions = [self.listen(topic, *how) for topic, how in TOPICS.items()]
        self._command = self.node.create_publisher(ArmCommand, "arm/command", qos.STATE)
        self._episode = self.node.create_publisher(EpisodeState, "episode/state", qos.STATUS)

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def listen(self, topic, kind, profile):
        received = self.received[topic].append
        return self.node.create_subscription(kind, topic, received, profile)

    @property
    def states(self) -> list[ArmState]:
        return self.received["arm/state"]

    def wait(self, condition, what: str) -> None:
        spin_until(self._executor, condition, what)

    def first_state(self) -> ArmState:
        """Wait until both sides know each other."""
        self.wait(
            lambda: (
                self.states
                and self._command.get_subscription_count()
                and self._episode.get_subscription_count()
                and all(subscription.get_publisher_count() for subscription in self._subscriptions)
            ),
            "the simulation",
        )
        return self.states[-1]

    def wait_for_state(self, sequence: int) -> None:
        self.wait(lambda: self.states[-1].sequence == sequence, f"state {sequence}")

    def are_as_new_as_state(self, *topics: str) -> bool:
        stamp = self.states[-1].header.stamp
        return all(
            self.received[topic] and self.received[topic][-1].header.stamp == stamp
            for topic in topics
        )

    def send(self, mode: int, **fields: object) -> None:
        message = ArmCommand(
            robot="widowx", mode=mode, duration_s=0.2, valid_for_s=0.4, gripper_opening=1.0
        )
        p, q = message.x_base_tool.position, message.x_base_tool.orientation
        p.x, p.y, p.z = 0.28, 0.02, 0.12
        q.x, q.y, q.z, q.w = 0.0, np.sqrt(0.5), 0.0, np.sqrt(0.5)
        for name, value in fields.items():
            setattr(message, name, value)
        self._command.publish(message)

    def step(self, **fields: object) -> ArmState:
        """Send a movement and wait for the state that answers it."""
        before = self.states[-1].sequence
        self.send(ArmCommand.CARTESIAN_POSE, **fields)
        self.wait(lambda: self.states[-1].sequence > before, "the answer to a movement")
        return self.states[-1]

    def repeated(self) -> ArmState:
        """Wait until the simulation has repeated itself, so that it has read all it was sent."""
        count = len(self.states) + 2
        self.wait(lambda: len(self.states) >= count, "a repeated state")
        return self.states[-1]

    def announce(self, episode: int, state: int, first_sequence: int = 0) -> None:
        self._episode.publish(
            EpisodeState(
                robot="widowx",
                episode=episode,
                state=state,
                first_arm_state_sequence=first_sequence,
            )
        )

    def call(self, kind, name: str, request):
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready, name)
        future = client.call_async(request)
        self.wait(future.done, f"the answer of {name}")
        return future.result()


@pytest.fixture
def client(ros_domain_id):
    client = Client(ros_domain_id)
    yield client
    client.close()


@pytest.fixture
def sim():
    """Starts simulations and sees to it that each one ends well when asked to."""
    processes = []

    def start(**parameters):
        processes.append(start_sim(robot="widowx", **parameters))
        return processes[-1]

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        assert process.returncode == 0, errors


def stamp_ns(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_in_lock_step_each_movement_is_one_step_with_one_stamp(client, sim):
    sim(backend="loopback", use_sim_time=True)
    start = client.first_state()
    for step in range(1, 51):
        state = client.step(sequence=step)
        assert (state.sequence, state.fault) == (start.sequence + step, "")
        assert stamp_ns(state) == stamp_ns(start) + step * 200_000_000
    client.wait(
        lambda: client.are_as_new_as_state("perception/objects", "task/success"),
        "objects and success of the last step",
    )
    client.wait(
        lambda: to_seconds(client.received["/clock"][-1].clock) == to_seconds(state.header.stamp),
        "the clock of the last step",
    )
    assert len(client.received["task/success"]) >= 50
    assert state.x_base_tool.position.z == 0.12


def test_whoever_comes_late_gets_the_description_of_the_arm(client, sim):
    sim()
    client.first_state()
    late = client.listen("robot_description", String, qos.STATUS)
    client.wait(lambda: client.received["robot_description"], "the description")
    robot = ElementTree.fromstring(client.received["robot_description"][0].data)
    turning = [joint.get("name") for joint in robot.findall("joint[@type='revolute']")]
    assert turning == client.states[-1].joint_names
    assert late.get_publisher_count() == 1


def test_each_picture_comes_with_how_its_camera_projects(client, sim):
    sim(image_size_px=64)
    client.first_state()
    kinds = {"image": Image, "camera_info": CameraInfo}
    heard = [client.listen(f"camera/wrist/{name}", kinds[name], qos.IMAGE) for name in kinds]
    client.wait(lambda: all(topic.get_publisher_count() for topic in heard), "discovery")
    client.step()
    topics = [f"camera/wrist/{name}" for name in kinds]
    client.wait(lambda: client.are_as_new_as_state(*topics), "picture and projection")

    picture, info = (client.received[topic][-1] for topic in topics)
    assert info.header == picture.header
    assert info.header.frame_id == "widowx/wrist"
    assert (info.width, info.height) == (picture.width, picture.height) == (64, 64)
    lens = pinhole(WidowXCell().model, "wrist", 64, 64)
    fx, _, cx, _, fy, cy, *_ = info.k
    assert (fx, fy, cx, cy) == pytest.approx((lens.focal_px, lens.focal_px, 31.5, 31.5))
    assert (info.distortion_model, list(info.d)) == ("plumb_bob", [0.0] * 5)
    assert [info.p[0], info.p[2], info.p[3]] == [fx, cx, 0.0]


def test_an_unknown_description_keeps_it_from_starting(ros_domain_id):
    process = start_sim(robot="widowx", urdf="widowx_205")
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert "urdf is 'widowx_205'; did you mean 'widowx_250'?" in errors


def test_standard_tools_see_joints_and_tool_as_arm_state_has_them(client, sim):
    sim()
    client.first_state()
    state = client.step()
    client.wait(lambda: client.are_as_new_as_state("joint_states", "arm/tool_pose"), "one instant")
    joints, pose = client.received["joint_states"][-1], client.received["arm/tool_pose"][-1]
    assert pose.header.frame_id == "widowx/base"
    assert joints.name == state.joint_names
    assert any(joints.position)
    assert joints.position == state.joint_position
    assert joints.velocity == state.joint_velocity
    assert pose.pose == state.x_base_tool


def test_holding_and_waiting_let_no_time_pass(client, sim):
    sim(backend="loopback")
    client.first_state()
    state = client.step()
    client.send(ArmCommand.HOLD, sequence=7)
    client.wait(lambda: client.states[-1].last_command_sequence == 7, "the driver's word")
    assert client.states[-1].holding
    assert len(client.received["task/success"]) < 3, "a repetition means nothing new"
    repeated = client.repeated()
    assert (repeated.sequence, stamp_ns(repeated)) == (state.sequence, stamp_ns(state))
    assert client.step().sequence == state.sequence + 1


def test_whoever_joins_late_gets_the_newest_state(client, sim, ros_domain_id):
    sim(backend="loopback")
    client.first_state()
    state = client.step()
    late = Client(ros_domain_id)
    late.wait(lambda: late.states, "the newest state")
    assert late.states[0] == state
    late.close()


def test_a_refused_command_reaches_the_controller_as_a_fault(client, sim):
    sim(backend="loopback")
    before = client.first_state()
    client.send(ArmCommand.JOINT_VELOCITY)
    client.wait(lambda: client.states[-1].fault, "a fault")
    fault = client.states[-1]
    assert "JOINT_VELOCITY" in fault.fault
    assert fault.x_base_tool == before.x_base_tool
    assert client.step().fault == ""


def test_a_fault_ends_by_itself_so_that_the_session_can_go_on(client, sim):
    sim(backend="loopback")
    client.first_state()
    client.send(ArmCommand.JOINT_VELOCITY)
    client.wait(lambda: client.states[-1].fault, "a fault")
    client.wait(lambda: not client.states[-1].fault, "its end")


def test_a_reset_lays_out_the_scene_of_its_seed(client, sim):
    sim(backend="loopback")
    client.first_state()
    scenes = []
    for seed in (4, 5, 4):
        moved = client.step()
        response = client.call(ResetScene, "scene/reset", ResetScene.Request(seed=seed))
        assert response.success
        assert response.arm_state_sequence == moved.sequence + 1
        client.wait_for_state(response.arm_state_sequence)
        client.wait(lambda: client.are_as_new_as_state("perception/objects"), "the new objects")
        assert client.states[-1].x_base_tool != moved.x_base_tool
        scenes.append(client.received["perception/objects"][-1].poses)
    assert scenes[0] == scenes[2] != scenes[1]


def test_homing_is_done_when_it_is_answered(client, sim):
    sim(backend="loopback")
    start = client.first_state()
    client.step()
    assert client.call(Trigger, "arm/home", Trigger.Request()).success
    client.wait_for_state(start.sequence + 2)
    assert client.states[-1].x_base_tool.position.z == pytest.approx(0.15)


def test_when_paced_time_passes_by_itself(client, sim):
    sim(backend="loopback", real_time_factor=1.0)
    client.first_state()
    client.wait(lambda: len(client.states) > 20, "states")
    for left, right in zip(client.states, client.states[1:], strict=False):
        ticks = right.sequence - left.sequence
        assert ticks > 0
        assert stamp_ns(right) - stamp_ns(left) == ticks * 20_000_000


def test_the_physics_cell_shows_pictures_and_keeps_trajectories(client, sim, tmp_path):
    sim(run_dir=tmp_path)
    start = client.first_state()
    images = client.received["camera/wrist/image"]
    client.listen("camera/wrist/image", Image, qos.IMAGE)
    topic = "/widowx/camera/wrist/image"
    client.wait(lambda: client.node.count_publishers(topic), "the camera")
    client.announce(3, EpisodeState.RUNNING, first_sequence=start.sequence)
    # A picture may have come before: only a step says that the simulation has advanced since.
    client.step()
    while not images:
        client.step()
    assert (images[0].height, images[0].width, images[0].encoding) == (224, 224, "rgb8")
    assert np.array(images[0].data, dtype=np.uint8).std() > 5
    last = client.states[-1]
    client.announce(3, EpisodeState.LABELLING)
    path = trajectory_path(tmp_path, 3)
    client.wait(path.exists, "the trajectory")
    trajectory = load_trajectory(path)
    assert len(trajectory.qpos) == last.sequence - start.sequence + 1
    assert trajectory.stamp_s[-1] == pytest.approx(to_seconds(last.header.stamp))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "parameter robot is missing"),
        ({"robot": "widowx", "backend": "gazebo"}, "backend is 'gazebo'"),
        ({"robot": "widowx", "real_time_facter": 1.0}, "did you mean real_time_factor"),
    ],
)
@pytest.mark.usefixtures("ros_domain_id")
def test_bad_parameters_end_the_process_with_a_sentence(parameters, sentence):
    process = start_sim(**parameters)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert sentence in errors
    assert "Traceback" not in errors
