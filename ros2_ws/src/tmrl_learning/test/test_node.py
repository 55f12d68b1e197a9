"""The learning node over real DDS, beside an agent that keeps a real journal."""

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from ament_index_python.packages import get_package_prefix

from tmrl_common.messages import Swap
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.transition_examples import LENGTH
from tmrl_learning.node import LearningNode
from tmrl_ros.testing import TIMEOUT_S, NodeBench, parameter_arguments
from tmrl_ros.transition_messages import transition_to_msg

from .agent_stand_in import SPEC, AgentStandIn, transition

pytestmark = pytest.mark.ros


@pytest.fixture
def given(request, tmp_path):
    common = {"robot": "widowx", "session": "run", "run_dir": str(tmp_path), "wandb": "disabled"}
    return common | getattr(request, "param", {})


@pytest.fixture
def bench(given, ros_domain_id):
    with (
        FakePolicyServer(SPEC) as server,
        NodeBench(ros_domain_id, "learning", given | {"server": server.endpoint}) as made,
    ):
        yield made


@pytest.fixture
def agent(bench, tmp_path):
    bench.add(LearningNode)
    agent = bench.add(lambda: AgentStandIn(tmp_path / "journal.sqlite"))
    bench.until(
        lambda: agent.statuses and agent.statuses[-1].phase == "warmup", "a learner that is ready"
    )
    bench.until(agent.topic.get_subscription_count, "the learner's subscription")
    return agent


def taken(bench, agent, sequence):
    bench.until(
        lambda: agent.statuses and agent.statuses[-1].contiguous_sequence == sequence,
        f"transition {sequence}",
    )
    return agent.statuses[-1]


def test_malformed_messages_are_counted_and_the_learner_lives(bench, agent):
    agent.record(transition(1))
    taken(bench, agent, 1)
    for field, value in (("steering", "nonsense"), ("reward", float("nan")), ("steps", 9)):
        broken = transition_to_msg(transition(2))
        setattr(broken, field, value)
        agent.topic.publish(broken)
    bench.until(lambda: agent.statuses[-1].transitions_refused == 3, "three refusals")
    agent.record(transition(2))
    assert taken(bench, agent, 2).transitions_stored == 2


def test_a_forged_transition_leaves_its_number_to_the_one_in_the_journal(bench, agent):
    agent.record(transition(1))
    taken(bench, agent, 1)
    agent.topic.publish(transition_to_msg(transition(2, chunk=7, terminated=True, reward=0.0)))
    agent.topic.publish(transition_to_msg(transition(2, robot="franka")))
    agent.record(transition(2))
    status = taken(bench, agent, 2)
    assert (status.transitions_stored, status.episodes_stored) == (2, 1)
    agent.record(transition(3))
    assert taken(bench, agent, 3).transitions_stored == 3


def test_a_policy_of_other_sizes_is_named_and_not_waited_for(bench, agent):
    wide = np.zeros(LENGTH + 1, np.float32)
    agent.record(transition(1, features=wide, next_features=wide))
    status = taken(bench, agent, 1)
    assert (status.transitions_stored, status.transitions_refused) == (0, 1)
    assert "features has shape (5,)" in status.reason


@pytest.mark.parametrize("given", [{"robots": ["franka"]}], indirect=True)
def test_a_second_arm_is_learned_from_and_informed_in_its_own_namespace(bench, agent, tmp_path):
    def of_another(sequence):
        return transition(sequence, robot="franka")

    agent.record(transition(1))
    another = bench.add(lambda: AgentStandIn(tmp_path / "franka.sqlite", "franka", "/franka"))
    for sequence in (1, 2, 3):
        another.record(of_another(sequence))
    status = taken(bench, another, 3)
    assert (status.robot, status.transitions_stored, status.episodes_stored) == ("franka", 4, 2)
    taken(bench, agent, 1)
    # A message in the wrong namespace is no announcement of that journal.
    agent.topic.publish(transition_to_msg(of_another(2)))
    agent.record(transition(2))
    status = taken(bench, agent, 2)
    assert (status.robot, status.transitions_stored, status.transitions_refused) == ("widowx", 5, 0)


@pytest.fixture
def process(tmp_path, ros_domain_id):
    """Starts the node as the leader of a process group, as a shell does with a command."""
    started = []

    def start(server, **changes):
        program = Path(get_package_prefix("tmrl_learning"), "lib", "tmrl_learning", "learning")
        given = {"robot": "widowx", "session": "run", "run_dir": str(tmp_path)} | changes
        arguments = parameter_arguments(given | {"server": server.endpoint})
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen([program, *arguments], stderr=pipe, text=True, start_new_session=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("wandb", ["disabled", "offline"])
def test_ctrl_c_ends_it_in_order_though_the_policy_server_does_not_answer_any_more(
    process, tmp_path, ros_domain_id, wandb
):
    if wandb == "offline":
        pytest.importorskip("wandb")
    with NodeBench(ros_domain_id, "agent_stand_in", {}) as bench:
        with FakePolicyServer(SPEC) as first:
            learner = process(first, wandb=wandb, server_deadline_s=600.0)
            agent = bench.add(lambda: AgentStandIn(tmp_path / "journal.sqlite"))
            bench.until(lambda: agent.statuses and agent.statuses[-1].phase == "warmup", "warm-up")
            agent.record(transition(1))
            taken(bench, agent, 1)
            if wandb == "offline":
                bench.until(lambda: any(tmp_path.glob("wandb/*/run-*.wandb")), "wandb's file")
        with FakePolicyServer(SPEC, first.endpoint, hangs=True) as second:
            bench.until(
                lambda: any(isinstance(request, Swap) for request in second.requests),
                "an actor for the server that came back",
            )
            os.killpg(learner.pid, signal.SIGINT)
            _, errors = learner.communicate(timeout=TIMEOUT_S)
    assert learner.returncode == 0
    assert "Traceback" not in errors
    assert "did not take the actor" not in errors
    assert (tmp_path / "checkpoint").exists()
