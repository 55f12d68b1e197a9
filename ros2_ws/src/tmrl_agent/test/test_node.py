"""The node over real DDS and a real socket: what its peers get to see of it."""

import sqlite3
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.node import Node

from tmrl_agent.journal import Journal, JournalCorruptError
from tmrl_agent.node import AgentNode
from tmrl_agent.testing import SPEC
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.types import Outcome
from tmrl_msgs import msg
from tmrl_msgs.srv import FetchTransitions
from tmrl_ros import qos
from tmrl_ros.conversion import stamp_of_nanoseconds
from tmrl_ros.testing import NodeBench, outcome_of
from tmrl_ros.transition_messages import transition_from_msg

pytestmark = pytest.mark.ros

STEP_NS = 200_000_000


class World(Node):
    """Driver in lock-step, controller that executes every chunk at once, and operator."""

    def __init__(self):
        super().__init__("world")
        self.sequence = 0
        self.chunks, self.transitions, self.statuses = [], [], []
        self.arm = self.create_publisher(msg.ArmState, "arm/state", qos.STATE)
        self.objects = self.create_publisher(msg.ObjectPoses, "perception/objects", qos.STATE)
        self.outcome = self.create_publisher(msg.ChunkOutcome, "controller/outcome", qos.EVENT)
        self.controller = self.create_publisher(
            msg.ControllerStatus, "controller/status", qos.STATUS
        )
        self.episode = self.create_publisher(msg.EpisodeState, "episode/state", qos.STATUS)
        self.labels = self.create_publisher(msg.EpisodeOutcome, "episode/outcome", qos.LABELS)
        self.create_subscription(msg.ActionChunk, "policy/chunk", self.on_chunk, qos.EVENT)
        self.create_subscription(
            msg.Transition, "replay/transitions", self.transitions.append, qos.EVENT
        )
        self.create_subscription(msg.AgentStatus, "agent/status", self.statuses.append, qos.STATUS)
        self.fetch = self.create_client(FetchTransitions, "replay/fetch")

    @property
    def now(self):
        return stamp_of_nanoseconds(self.sequence * STEP_NS)

    def show(self):
        objects = msg.ObjectPoses(robot="widowx", names=["carrot"], poses=[msg_pose(0.5)])
        objects.header.stamp = self.now
        arm = msg.ArmState(robot="widowx", sequence=self.sequence, x_base_tool=msg_pose(0.25))
        arm.header.stamp = self.now
        arm.header.frame_id = "widowx/base"
        self.objects.publish(objects)
        self.arm.publish(arm)

    def on_chunk(self, chunk):
        self.chunks.append(chunk)
        started = self.now
        self.sequence += chunk.execute_steps
        self.show()
        self.outcome.publish(outcome_of(chunk, started, self.now, self.sequence))

    def run(self, episode):
        self.controller.publish(
            msg.ControllerStatus(
                mode=msg.ControllerStatus.POLICY, sigma_cap=0.5, z_cap=2.0, epsilon_cap=3.0
            )
        )
        state = msg.EpisodeState(
            session="run",
            episode=episode,
            state=msg.EpisodeState.RUNNING,
            started=self.now,
            time_limit_s=3.0,
            first_arm_state_sequence=self.sequence,
        )
        self.show()
        self.episode.publish(state)

    def label(self, episode, outcome, stamp, revision=0):
        message = msg.EpisodeOutcome(
            session="run", episode=episode, outcome=int(outcome), revision=revision
        )
        message.header.stamp = stamp
        self.labels.publish(message)


def msg_pose(x):
    from geometry_msgs.msg import Pose

    pose = Pose()
    pose.position.x = x
    return pose


class Stack(NodeBench):
    """One agent and its world."""

    def __init__(self, run_dir, endpoint, domain_id, **parameters):
        given = {
            "robot": "widowx",
            "session": "run",
            "run_dir": str(run_dir),
            "server": endpoint,
            "proprio_fields": "[tool_x, tool_y]",
            "context_objects": "[carrot.x]",
            "lock_step": "true",
            "prompt": "put the carrot into the pot",
        }
        super().__init__(domain_id, "agent", given | parameters)
        self.agent = self.add(AgentNode)
        self.world = self.add(World)

    def connect(self):
        world = self.world
        publishers = (world.arm, world.outcome, world.labels, world.episode, world.controller)
        self.until(
            lambda: (
                all(p.get_subscription_count() for p in publishers)
                and world.count_publishers("policy/chunk")
                and world.fetch.service_is_ready()
            ),
            "discovery",
        )
        self.until(
            lambda: world.statuses and world.statuses[-1].server_connected, "the policy server"
        )

    def fetched(self, first=1):
        return self.call(self.world.fetch, session="run", first_sequence=first, max_count=100)


@pytest.fixture
def server():
    with FakePolicyServer(SPEC) as made:
        yield made


@pytest.fixture
def start(tmp_path, server, ros_domain_id):
    with ExitStack() as stacks:

        def make(**parameters):
            stack = Stack(tmp_path, server.endpoint, ros_domain_id, **parameters)
            return stacks.enter_context(stack)

        yield make


def ended(stack, episode):
    """Plays an episode to its time limit and labels it."""
    world = stack.world
    start = world.sequence
    world.run(episode)
    stack.until(lambda: world.sequence == start + 15, "three chunks of five steps")
    world.label(episode, Outcome.TIMEOUT, world.now)
    stack.until(
        lambda: world.transitions and world.transitions[-1].episode_outcome == Outcome.TIMEOUT,
        f"the end of episode {episode}",
    )


def test_an_episode_becomes_transitions_that_the_journal_holds_too(start, tmp_path):
    stack = start()
    stack.connect()
    ended(stack, 1)
    world = stack.world
    assert [(c.episode, c.chunk, c.sequence) for c in world.chunks] == [
        (1, 0, 1),
        (1, 1, 2),
        (1, 2, 3),
    ]
    assert world.chunks[0].header.frame_id == "widowx/base"
    assert [t.sequence for t in world.transitions] == [1, 2, 3]
    assert [t.truncated for t in world.transitions] == [False, False, True]
    response = stack.fetched()
    assert response.last_sequence == 3
    assert list(response.transitions) == world.transitions
    assert list(stack.fetched(first=3).transitions) == world.transitions[2:]
    stored = Journal(tmp_path / "journal.sqlite", "widowx", "run").fetch(1, 10)
    for transition, message in zip(stored, world.transitions, strict=True):
        np.testing.assert_array_equal(transition.z, transition_from_msg(message).z)
    last = transition_from_msg(world.transitions[-1])
    assert last.observation_stamp_ns == 10 * STEP_NS
    assert last.step_ends_ns.tolist() == [n * STEP_NS for n in range(11, 16)]
    assert last.prompt == "put the carrot into the pot"
    stack.until(lambda: world.statuses[-1].transitions_published == 3, "the status")
    assert world.statuses[-1].reason == ""


def test_a_relabelling_reaches_the_learner_through_the_same_topic(start):
    stack = start()
    stack.connect()
    ended(stack, 1)
    world = stack.world
    world.label(1, Outcome.SUCCESS, world.now, revision=1)
    stack.until(lambda: len(world.transitions) == 4, "the revision")
    revised = world.transitions[-1]
    assert (revised.sequence, revised.chunk, revised.revision) == (4, 2, 1)
    assert (revised.terminated, revised.reward) == (True, 0.0)


def test_a_second_life_goes_on_where_the_journal_ends(start, ros_domain_id):
    first = start()
    first.connect()
    ended(first, 1)
    epoch = first.world.statuses[-1].agent_epoch
    first.close()
    second = start()
    second.connect()
    assert second.world.statuses[-1].transitions_published == 3
    assert second.world.statuses[-1].agent_epoch != epoch
    second.world.sequence = 100
    ended(second, 2)
    assert [t.sequence for t in second.world.transitions] == [4, 5, 6]


def test_a_server_that_dies_is_named_and_the_episode_goes_on_with_its_successor(start, server):
    stack = start(deadline_s=1.0)
    stack.connect()
    endpoint = server.endpoint
    server.close()
    world = stack.world
    world.run(1)
    stack.until(lambda: not world.statuses[-1].server_connected, "the loss to be noticed")
    stack.until(lambda: world.statuses[-1].reason, "the reason")
    assert world.chunks == []
    with FakePolicyServer(SPEC, endpoint):
        stack.until(lambda: world.sequence == 15, "the episode to continue")


def test_a_policy_for_another_robot_is_never_asked(start):
    stack = start(proprio_fields="[tool_x]")
    world = stack.world
    world.run(1)
    stack.until(
        lambda: world.statuses and "proprio_dim" in world.statuses[-1].reason, "the mismatch"
    )
    assert world.chunks == []


def test_messages_that_contradict_themselves_are_dropped(start):
    stack = start()
    stack.connect()
    broken = msg.ChunkOutcome(
        agent_epoch=stack.world.statuses[-1].agent_epoch, steps=3, action_dim=7
    )
    stack.world.outcome.publish(broken)
    stack.world.labels.publish(msg.EpisodeOutcome(session="run", episode=1, outcome=77))
    ended(stack, 1)
    assert len(stack.world.transitions) == 3


def test_a_journal_that_cannot_be_used_is_a_sentence_at_the_start(start, tmp_path):
    Path(tmp_path, "journal.sqlite").write_bytes(b"no journal" * 1000)
    with pytest.raises(JournalCorruptError, match="damaged"):
        start()


def test_a_disk_that_blocks_delays_no_arm_state_and_loses_no_transition(start, tmp_path):
    stack = start()
    stack.connect()
    world = stack.world
    stored_when_heard, shown_while_blocked = [], []
    other = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)

    def on_transition(message):
        query = "SELECT count(*) FROM transitions WHERE sequence = ?"
        stored_when_heard.append(other.execute(query, (message.sequence,)).fetchone())

    def on_timer():
        if world.chunks and not world.statuses[-1].reason:
            world.show()
            shown_while_blocked.append(world.sequence)

    world.create_subscription(msg.Transition, "replay/transitions", on_transition, qos.EVENT)
    world.create_timer(0.02, on_timer)
    other.execute("BEGIN EXCLUSIVE")
    world.run(1)
    stack.until(lambda: "locked" in world.statuses[-1].reason, "the journal to be named")
    assert len(shown_while_blocked) > 10, "the node waited for the disk"
    assert world.transitions == []
    other.execute("ROLLBACK")
    stack.until(lambda: world.sequence == 15, "three chunks of five steps")
    world.label(1, Outcome.TIMEOUT, world.now)
    stack.until(lambda: len(stored_when_heard) == 3, "the end of the episode")
    assert stored_when_heard == [(1,)] * 3
    other.close()


def test_no_thread_is_left_behind(start):
    before = set(threading.enumerate())
    stack = start()
    stack.close()
    left = {t.name for t in set(threading.enumerate()) - before} & {"inference", "journal"}
    assert left == set()
