"""The agent looks through the two cameras of the simulated cell, in lock-step, over real DDS."""

import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from ament_index_python.packages import get_package_prefix
from rclpy.node import Node

from tmrl_agent.node import AgentNode
from tmrl_agent.testing import SPEC as WITHOUT_CAMERAS
from tmrl_common.messages import Act
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_msgs import msg
from tmrl_ros import qos
from tmrl_ros.testing import NodeBench, outcome_of

pytestmark = pytest.mark.ros

SPEC = replace(WITHOUT_CAMERAS, proprio_dim=1, context_dim=0, cameras=("overview", "wrist"))
AGENT = {
    "robot": "widowx",
    "session": "run",
    "proprio_fields": "[tool_x]",
    "cameras": "[wrist, overview]",
    "execute_steps": 2,
    "lock_step": "true",
    "max_image_px": 128,
}


class World(Node):
    """A controller that moves the simulated arm one step per state, and an operator."""

    def __init__(self):
        super().__init__("world")
        self.state, self.chunk, self.steps_left = None, None, 0
        self.transitions = []
        self.command = self.create_publisher(msg.ArmCommand, "arm/command", qos.STATE)
        self.outcome = self.create_publisher(msg.ChunkOutcome, "controller/outcome", qos.EVENT)
        self.controller = self.create_publisher(
            msg.ControllerStatus, "controller/status", qos.STATUS
        )
        self.episode = self.create_publisher(msg.EpisodeState, "episode/state", qos.STATUS)
        self.create_subscription(msg.ArmState, "arm/state", self.on_state, qos.STATE)
        self.create_subscription(msg.ActionChunk, "policy/chunk", self.on_chunk, qos.EVENT)
        self.create_subscription(
            msg.Transition, "replay/transitions", self.transitions.append, qos.EVENT
        )

    def on_chunk(self, chunk):
        self.chunk, self.steps_left = chunk, chunk.execute_steps
        self.started = self.state.header.stamp
        self.move()

    def on_state(self, state):
        is_new = self.state is None or state.sequence > self.state.sequence
        self.state = state
        if self.steps_left and is_new:
            self.steps_left -= 1
            if self.steps_left:
                self.move()
            else:
                self.end()

    def move(self):
        command = msg.ArmCommand(
            robot="widowx",
            mode=msg.ArmCommand.CARTESIAN_POSE,
            duration_s=0.2,
            valid_for_s=0.4,
            gripper_opening=1.0,
        )
        p, q = command.x_base_tool.position, command.x_base_tool.orientation
        p.x, p.y, p.z = 0.28, 0.02, 0.12 + 0.01 * (self.state.sequence % 3)
        q.y, q.w = np.sqrt(0.5), np.sqrt(0.5)
        self.command.publish(command)

    def end(self):
        now, sequence = self.state.header.stamp, self.state.sequence
        self.outcome.publish(outcome_of(self.chunk, self.started, now, sequence))

    def run(self):
        self.controller.publish(
            msg.ControllerStatus(
                mode=msg.ControllerStatus.POLICY, sigma_cap=0.5, z_cap=2.0, epsilon_cap=3.0
            )
        )
        state = msg.EpisodeState(
            session="run",
            episode=1,
            state=msg.EpisodeState.RUNNING,
            first_arm_state_sequence=self.state.sequence,
        )
        self.episode.publish(state)


@pytest.fixture
def simulation(ros_domain_id):
    del ros_domain_id  # the process takes it from its environment
    program = Path(get_package_prefix("tmrl_sim"), "lib", "tmrl_sim", "sim")
    process = subprocess.Popen([program, "--ros-args", "-p", "robot:=widowx"])
    yield
    process.kill()
    process.wait()


@pytest.mark.usefixtures("simulation")
def test_every_chunk_is_asked_for_with_both_pictures_of_its_moment(tmp_path, ros_domain_id):
    with FakePolicyServer(SPEC) as server:
        given = AGENT | {"run_dir": str(tmp_path), "server": server.endpoint}
        with NodeBench(ros_domain_id, "agent", given) as bench:
            bench.add(AgentNode)
            world = bench.add(World)
            peers = (world.command, world.outcome, world.episode, world.controller)
            bench.until(
                lambda: world.state is not None and all(p.get_subscription_count() for p in peers),
                "discovery",
            )
            world.run()
            bench.until(lambda: len(world.transitions) == 4, "transitions")
    asked = [request.observation for request in server.requests if isinstance(request, Act)]
    sequences = [observation.arm_state_sequence for observation in asked]
    assert sequences == list(range(sequences[0], sequences[0] + 2 * len(asked), 2))
    for observation in asked:
        assert sorted(observation.images) == ["overview", "wrist"]
        for pixels in observation.images.values():
            assert pixels.shape == (128, 128, 3)
            assert pixels.std() > 5
    for before, after in pairwise(asked):
        for camera in SPEC.cameras:
            assert not np.array_equal(before.images[camera], after.images[camera])
    assert not any(transition.aborted for transition in world.transitions)
