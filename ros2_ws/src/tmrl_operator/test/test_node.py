"""The node over real DDS: a whole episode, and what a person's requests are answered with."""

import json
import time
from contextlib import ExitStack

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from rclpy.node import Node
from std_srvs.srv import Trigger

from tmrl_msgs import msg, srv
from tmrl_operator.ledger import LedgerError
from tmrl_operator.node import OperatorNode
from tmrl_ros import qos
from tmrl_ros.conversion import nanoseconds, stamp_of_nanoseconds
from tmrl_ros.testing import NodeBench

pytestmark = pytest.mark.ros

STEP_NS = 200_000_000
NO_SUGGESTION = 255


class World(Node):
    """Simulation, controller and agent, as far as the operator sees them."""

    def __init__(self):
        super().__init__("world")
        self.now_ns, self.sequence = 5 * STEP_NS, 5
        self.mode = msg.ControllerStatus.HOLD
        self.calls, self.states, self.labels = [], [], []
        self.arm = self.create_publisher(msg.ArmState, "arm/state", qos.STATE)
        self.success = self.create_publisher(msg.SuccessDetection, "task/success", qos.VERDICT)
        self.controller = self.create_publisher(
            msg.ControllerStatus, "controller/status", qos.STATUS
        )
        self.agent = self.create_publisher(msg.AgentStatus, "agent/status", qos.STATUS)
        self.create_subscription(msg.EpisodeState, "episode/state", self.states.append, qos.STATUS)
        self.create_subscription(
            msg.EpisodeOutcome, "episode/outcome", self.labels.append, qos.LABELS
        )
        self.create_service(Trigger, "controller/hold", self.on_call("hold"))
        self.create_service(Trigger, "controller/resume", self.on_call("resume"))
        self.create_service(srv.ResetScene, "scene/reset", self.on_reset)
        kinds = {
            "start": srv.PersonRequest,
            "stop": srv.PersonRequest,
            "pause": srv.PersonRequest,
            "undo": srv.PersonRequest,
            "label": srv.LabelEpisode,
            "relabel": srv.RelabelEpisode,
            "discard": srv.DiscardEpisode,
        }
        self.services_of_operator = {
            name: self.create_client(kind, f"operator/{name}") for name, kind in kinds.items()
        }
        self.create_timer(0.2, self.report)

    def on_call(self, name):
        def answer(_, response):
            self.calls.append(name)
            response.success = True
            return response

        return answer

    def on_reset(self, request, response):
        self.calls.append("reset")
        self.sequence += 1
        self.show()
        response.success, response.arm_state_sequence = True, self.sequence
        return response

    def show(self):
        state = msg.ArmState(robot="widowx", sequence=self.sequence)
        state.header.stamp = stamp_of_nanoseconds(self.now_ns)
        self.arm.publish(state)

    def report(self):
        self.show()
        self.controller.publish(msg.ControllerStatus(mode=self.mode, reason="a test says so"))
        self.agent.publish(
            msg.AgentStatus(session="run", agent_epoch="epoch", server_connected=True)
        )

    def judge(self, *, success, ground_truth=True):
        message = msg.SuccessDetection(
            success=success, ground_truth=ground_truth, confidence=0.75, detail="in pot"
        )
        message.header.stamp = stamp_of_nanoseconds(self.now_ns)
        self.success.publish(message)

    @property
    def state(self):
        return self.states[-1].state if self.states else None


class Stack(NodeBench):
    """One operator and its world."""

    def __init__(self, run_dir, domain_id, **parameters):
        given = {
            "robot": "widowx",
            "session": "run",
            "run_dir": str(run_dir),
            "time_limit_s": "20.0",
            "reset": "scene",
        }
        super().__init__(domain_id, "operator", given | parameters)
        self.add(OperatorNode)
        self.world = self.add(World)

    def ask(self, name, **values):
        return self.call(self.world.services_of_operator[name], **values)

    def start(self):
        self.until(lambda: self.ask("start").success, "everybody to report")
        self.until(lambda: self.world.state == msg.EpisodeState.RUNNING, "the episode to run")


@pytest.fixture
def start(tmp_path, ros_domain_id):
    with ExitStack() as stacks:
        yield lambda **given: stacks.enter_context(Stack(tmp_path, ros_domain_id, **given))


def test_an_episode_from_start_to_label_over_dds(start):
    stack = start(max_episodes=1)
    world = stack.world
    stack.start()
    assert world.calls == ["hold", "reset", "resume"]
    running = world.states[-1]
    assert (running.episode, running.first_arm_state_sequence) == (1, 6)
    assert (running.session, running.time_limit_s) == ("run", 20.0)
    world.now_ns += STEP_NS
    world.judge(success=True)
    stack.until(lambda: world.labels, "the label")
    label = world.labels[0]
    assert (label.episode, label.outcome) == (1, msg.EpisodeOutcome.SUCCESS)
    assert (label.source, label.detail) == ("ground_truth", "in pot")
    assert nanoseconds(label.header.stamp) == world.now_ns
    stack.until(lambda: world.state == msg.EpisodeState.IDLE, "the end of the session")
    stack.until(lambda: world.calls[-1] == "hold", "the arm to hold")


def test_a_success_of_two_steps_counts_however_far_the_simulation_is_ahead(start):
    stack = start(max_episodes=1, time_limit_s="100.0")
    world = stack.world
    stack.start()
    for step in range(300):
        world.now_ns += STEP_NS
        world.judge(success=step in (20, 21))
    first_ns = world.now_ns - 279 * STEP_NS
    stack.until(lambda: world.labels, "the label")
    assert world.labels[0].outcome == msg.EpisodeOutcome.SUCCESS
    assert nanoseconds(world.labels[0].header.stamp) == first_ns


def test_a_person_labels_relabels_and_discards(start):
    stack = start(label_mode="manual", max_episodes=1)
    world = stack.world
    stack.start()
    answer = stack.ask("label", outcome=msg.EpisodeOutcome.TIMEOUT, operator_name="ada")
    assert not answer.success
    assert "SUCCESS or FAILURE" in answer.message
    world.now_ns += STEP_NS
    world.show()
    assert stack.ask("label", outcome=msg.EpisodeOutcome.FAILURE, operator_name="ada").success
    assert stack.ask(
        "relabel", episode=1, outcome=msg.EpisodeOutcome.SUCCESS, operator_name="ada"
    ).success
    assert stack.ask("discard", episode=1).success
    stack.until(lambda: len(world.labels) == 3, "the labels")
    assert [label.revision for label in world.labels] == [0, 1, 2]
    answer = stack.ask("relabel", episode=1, outcome=77, operator_name="ada")
    assert not answer.success
    answer = stack.ask("undo", operator_name="bob")
    assert (answer.success, answer.message) == (
        True,
        "episode 1: DISCARDED -> SUCCESS (revision 3)",
    )
    stack.until(lambda: len(world.labels) == 4, "the label that holds again")
    assert (world.labels[-1].outcome, world.labels[-1].author) == (
        msg.EpisodeOutcome.SUCCESS,
        "bob",
    )


def test_a_suggestion_is_shown_until_a_person_decides(start):
    stack = start(label_mode="manual")
    world = stack.world
    stack.start()
    assert world.states[-1].suggestion == NO_SUGGESTION
    world.now_ns += STEP_NS
    world.show()
    world.judge(success=True, ground_truth=False)
    stack.until(lambda: world.states[-1].suggestion == msg.EpisodeOutcome.SUCCESS, "the suggestion")
    assert world.states[-1].suggestion_detail == "in pot"
    assert not world.labels, "only a person labels"
    assert stack.ask("label", outcome=0, operator_name="ada", episode=1).success
    again = stack.ask("label", outcome=0, operator_name="ada", episode=1)
    assert (again.success, again.message) == (True, "episode 1 is labelled SUCCESS already")
    stack.until(lambda: world.labels, "the label")
    assert world.labels[0].detail == "suggested: SUCCESS, 0.75 in pot"
    stack.until(lambda: world.states[-1].suggestion == NO_SUGGESTION, "the suggestion to go")


def test_the_ledger_says_who_asked_for_what_and_when(start, tmp_path):
    stack = start()
    stack.start()
    assert stack.ask("pause", operator_name="ada").success
    stack.until(lambda: stack.world.state == msg.EpisodeState.PAUSED, "the pause")
    assert "paused by ada" in stack.world.states[-1].reason
    stack.until(lambda: stack.world.calls[-1] == "hold", "the arm to hold")
    assert not stack.ask("undo", operator_name="bob").success
    lines = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    asked = [(line["request"], line["author"]) for line in lines if line["event"] == "asked"]
    assert asked[-2:] == [("pause", "ada"), ("undo", "bob")]
    assert "nothing to take back" in lines[-1]["refused"]
    assert all(abs(line["wall_time_s"] - time.time()) < 600.0 for line in lines)


def test_an_estop_ends_the_episode_and_only_a_start_goes_on(start):
    stack = start()
    world = stack.world
    stack.start()
    world.mode = msg.ControllerStatus.ESTOP
    stack.until(lambda: world.state == msg.EpisodeState.PAUSED, "the pause")
    stack.until(lambda: world.labels, "the label")
    assert world.labels[-1].outcome == msg.EpisodeOutcome.ABORTED
    assert "e-stop: a test says so" in world.states[-1].reason
    world.mode = msg.ControllerStatus.HOLD
    stack.start()
    assert world.states[-1].episode == 2


def test_a_second_life_tells_the_labels_of_the_first_and_goes_on_counting(start):
    first = start()
    first.start()
    first.world.now_ns += STEP_NS
    first.world.judge(success=True)
    first.until(lambda: first.world.labels, "the label")
    first.close()
    second = start()
    second.until(lambda: second.world.labels, "the labels of the first life")
    assert second.world.labels[0].outcome == msg.EpisodeOutcome.SUCCESS
    second.start()
    assert second.world.states[-1].episode >= 2


def test_a_damaged_ledger_is_a_sentence_at_the_start(start, tmp_path):
    (tmp_path / "episodes.jsonl").write_text("garbage\n{}\n")
    with pytest.raises(LedgerError, match="line 1 is damaged"):
        start()
