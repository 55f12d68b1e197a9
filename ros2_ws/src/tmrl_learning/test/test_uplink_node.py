"""A robot's journal and a learner that DDS does not connect: through the policy server's door.

The learner's process has another ROS domain, so whatever reaches it came through that port.
"""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

import domain_coordinator
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node

from tmrl_agent.journal import Journal
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.testing.transition_examples import LENGTH, example_transition
from tmrl_learning.uplink_node import UplinkNode
from tmrl_msgs.msg import AgentStatus, LearnerStatus, Transition
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.testing import NodeBench, parameter_arguments
from tmrl_ros.transition_messages import transition_to_msg

pytestmark = pytest.mark.ros

SPEC = replace(EXAMPLE_SPEC, z_dim=LENGTH, epsilon_dim=0, features_dim=LENGTH)


class Agent(Node):
    """The agent's side of the replay, and whoever looks at the learner's status."""

    def __init__(self, path):
        super().__init__("agent_stand_in")
        self.journal = Journal(path, "widowx", "run")
        self.statuses = []
        self.topic = self.create_publisher(Transition, "replay/transitions", qos.EVENT)
        self.status = self.create_publisher(AgentStatus, "agent/status", qos.STATUS)
        self.create_service(FetchTransitions, "replay/fetch", self.on_fetch)
        self.create_subscription(LearnerStatus, "learner/status", self.statuses.append, qos.STATUS)
        self.create_timer(0.2, self.announce)

    def on_fetch(self, request, response):
        response.last_sequence = self.journal.last_sequence
        found = self.journal.fetch(request.first_sequence, request.max_count)
        response.transitions = [transition_to_msg(each) for each in found]
        return response

    def announce(self):
        last = self.journal.last_sequence
        self.status.publish(AgentStatus(session="run", transitions_published=last))

    def record(self, first, last):
        for number in range(first, last + 1):
            made = example_transition(number, epsilon=np.zeros(0, np.float32))
            self.journal.append([made])
            self.topic.publish(transition_to_msg(made))

    def destroy_node(self):
        self.journal.close()
        super().destroy_node()


@pytest.fixture
def learner(tmp_path, ros_domain_id):
    """Starts the learner as on a GPU machine; a newer one takes the place of the one before."""
    started = []
    with domain_coordinator.domain_id() as elsewhere:
        assert elsewhere != ros_domain_id

        def start(server):
            program = Path(get_package_prefix("tmrl_learning"), "lib", "tmrl_learning", "learning")
            given = {
                "robot": "widowx",
                "session": "run",
                "run_dir": str(tmp_path),
                "intake": "port",
            }
            given |= {"server": server.endpoint, "wandb": "disabled", "checkpoint_every_s": 0.1}
            environment = {**os.environ, "ROS_DOMAIN_ID": str(elsewhere)}
            started.append(
                subprocess.Popen([program, *parameter_arguments(given)], env=environment)
            )
            return started[-1]

        yield start
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def server():
    with FakePolicyServer(SPEC) as made:
        yield made


@pytest.fixture
def bench(server, ros_domain_id):
    given = {"robot": "widowx", "session": "run", "server": server.endpoint, "deadline_s": 2.0}
    with NodeBench(ros_domain_id, "uplink", given) as made:
        yield made


@pytest.fixture
def agent(bench, tmp_path):
    bench.uplink = bench.add(UplinkNode)
    return bench.add(lambda: Agent(tmp_path / "journal.sqlite"))


def until_taken(bench, agent, sequence):
    bench.until(
        lambda: agent.statuses and agent.statuses[-1].contiguous_sequence == sequence,
        f"transition {sequence}",
    )
    return agent.statuses[-1]


def test_every_transition_reaches_a_learner_that_dds_does_not_reach(bench, agent, server, learner):
    learner(server)
    agent.record(1, 30)
    assert until_taken(bench, agent, 30).transitions_stored == 30
    agent.record(31, 33)
    status = until_taken(bench, agent, 33)
    assert (status.transitions_stored, status.transitions_lost, status.phase) == (33, 0, "warmup")
    assert bench.uplink.health()[0] == ""


def test_a_learner_that_was_killed_goes_on_where_its_checkpoint_stands(
    bench, agent, server, learner
):
    first = learner(server)
    agent.record(1, 5)
    bench.until(lambda: agent.statuses and agent.statuses[-1].durable_sequence == 5, "a checkpoint")
    first.send_signal(signal.SIGKILL)
    first.wait()
    agent.record(6, 9)
    bench.until(lambda: "has reported nothing" in bench.uplink.health()[0], "the silence, said")
    learner(server)
    status = until_taken(bench, agent, 9)
    assert (status.transitions_stored, status.transitions_lost) == (9, 0)


def test_a_server_that_came_back_has_forgotten_everything_and_nothing_is_missing(
    bench, agent, server, learner
):
    learner(server)
    agent.record(1, 5)
    until_taken(bench, agent, 5)
    server.close()
    agent.record(6, 9)
    bench.until(lambda: "is not reached" in bench.uplink.health()[0], "the silence, said")
    with FakePolicyServer(SPEC, server.endpoint):
        status = until_taken(bench, agent, 9)
    assert (status.transitions_stored, status.transitions_lost) == (9, 0)


def test_the_journal_may_come_later_than_the_learners_wish(bench, server, learner, tmp_path):
    bench.add(UplinkNode)
    learner(server)
    with_history = Journal(tmp_path / "journal.sqlite", "widowx", "run")
    for number in (1, 2, 3):
        with_history.append([example_transition(number, epsilon=np.zeros(0, np.float32))])
    with_history.close()
    agent = bench.add(lambda: Agent(tmp_path / "journal.sqlite"))
    assert until_taken(bench, agent, 3).transitions_stored == 3
