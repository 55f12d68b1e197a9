"""A robot's journal and a learner that DDS does not connect: through the policy server's door.

The learner's process has another ROS domain, so whatever reaches it came through that port.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

import domain_coordinator
from ament_index_python.packages import get_package_prefix

from tmrl_agent.journal import Journal
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_learning.uplink_node import UplinkNode
from tmrl_ros.testing import NodeBench, parameter_arguments

from .agent_stand_in import SPEC, AgentStandIn, transition

pytestmark = pytest.mark.ros


def record(agent, first, last):
    for number in range(first, last + 1):
        agent.record(transition(number))


@pytest.fixture
def learner(tmp_path, ros_domain_id):
    """Starts the learner as on a GPU machine; a newer one takes the place of the one before."""
    started = []
    with domain_coordinator.domain_id() as elsewhere:
        assert elsewhere != ros_domain_id

        def start(server, **changes):
            program = Path(get_package_prefix("tmrl_learning"), "lib", "tmrl_learning", "learning")
            given = {
                "robot": "widowx",
                "session": "run",
                "run_dir": str(tmp_path),
                "intake": "port",
            }
            given |= {"server": server.endpoint, "wandb": "disabled", "checkpoint_every_s": 0.1}
            given |= changes
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
    return bench.add(lambda: AgentStandIn(tmp_path / "journal.sqlite"))


def until_taken(bench, agent, sequence):
    bench.until(
        lambda: agent.statuses and agent.statuses[-1].contiguous_sequence == sequence,
        f"transition {sequence}",
    )
    return agent.statuses[-1]


def test_every_transition_reaches_a_learner_that_dds_does_not_reach(bench, agent, server, learner):
    learner(server)
    record(agent, 1, 30)
    assert until_taken(bench, agent, 30).transitions_stored == 30
    record(agent, 31, 33)
    status = until_taken(bench, agent, 33)
    assert (status.transitions_stored, status.transitions_lost, status.phase) == (33, 0, "warmup")
    assert bench.uplink.health()[0] == ""


def test_a_learner_that_was_killed_goes_on_where_its_checkpoint_stands(
    bench, agent, server, learner
):
    first = learner(server)
    record(agent, 1, 5)
    bench.until(lambda: agent.statuses and agent.statuses[-1].durable_sequence == 5, "a checkpoint")
    first.send_signal(signal.SIGKILL)
    first.wait()
    record(agent, 6, 9)
    bench.until(lambda: "has reported nothing" in bench.uplink.health()[0], "the silence, said")
    learner(server)
    status = until_taken(bench, agent, 9)
    assert (status.transitions_stored, status.transitions_lost) == (9, 0)


def test_a_server_that_came_back_has_forgotten_everything_and_nothing_is_missing(
    bench, agent, server, learner
):
    learner(server)
    record(agent, 1, 5)
    until_taken(bench, agent, 5)
    server.close()
    record(agent, 6, 9)
    bench.until(lambda: "is not reached" in bench.uplink.health()[0], "the silence, said")
    with FakePolicyServer(SPEC, server.endpoint):
        status = until_taken(bench, agent, 9)
    assert (status.transitions_stored, status.transitions_lost) == (9, 0)


def test_the_journal_may_come_later_than_the_learners_wish(bench, server, learner, tmp_path):
    bench.add(UplinkNode)
    learner(server)
    with_history = Journal(tmp_path / "journal.sqlite", "widowx", "run")
    for number in (1, 2, 3):
        with_history.append([transition(number)])
    with_history.close()
    agent = bench.add(lambda: AgentStandIn(tmp_path / "journal.sqlite"))
    assert until_taken(bench, agent, 3).transitions_stored == 3


@pytest.fixture
def other_arm(bench, server, ros_domain_id, tmp_path):
    """A second arm in a namespace of its own: its agent, and its uplink's process."""
    program = Path(get_package_prefix("tmrl_learning"), "lib", "tmrl_learning", "uplink")
    given = {"robot": "franka", "session": "run", "server": server.endpoint}
    namespace = ["-r", "__ns:=/franka"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros_domain_id)}
    agent = bench.add(lambda: AgentStandIn(tmp_path / "franka.sqlite", "franka", "/franka"))
    agent.uplink = subprocess.Popen(
        [program, *parameter_arguments(given), *namespace], env=environment
    )
    yield agent
    agent.uplink.kill()
    agent.uplink.wait()


def test_of_two_arms_behind_the_port_one_may_die_and_the_other_notices_nothing(
    bench, agent, server, learner, other_arm
):
    learner(server, robots=["franka"])
    record(agent, 1, 5)
    until_taken(bench, agent, 5)
    for number in (1, 2, 3):
        other_arm.record(transition(number, robot="franka"))
    assert until_taken(bench, other_arm, 3).transitions_stored == 8
    other_arm.uplink.send_signal(signal.SIGKILL)
    record(agent, 6, 9)
    status = until_taken(bench, agent, 9)
    assert (status.robot, status.transitions_stored, status.transitions_lost) == ("widowx", 12, 0)
