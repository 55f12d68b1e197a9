"""Whatever arrives, in whatever order: all that moved the arm is recorded once and rightly."""

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tmrl_agent.assembly import ArmReading, Reading
from tmrl_agent.core import AgentCore
from tmrl_agent.effects import AgentStatus, PublishTransitions
from tmrl_agent.events import ControllerView, EpisodeLabel, EpisodeView, LearnerView, SentChunk
from tmrl_agent.requests import AskFeatures, ChunkAnswer, Connection, FailedAnswer, FeaturesAnswer
from tmrl_agent.testing import (
    STEP_NS,
    features_of,
    made_chunk,
    made_config,
    made_end,
    made_reply,
    made_segment,
)
from tmrl_agent.transitions import Record, TransitionBuilder
from tmrl_common.chunks import ChunkResult, ControllerMode
from tmrl_common.testing import FakeClock
from tmrl_common.types import Outcome

from .agent_oracle import Executed, Oracle, key_of

PATIENCE_S = 5.0
LABELS = [Outcome.SUCCESS, Outcome.FAILURE, Outcome.TIMEOUT, Outcome.ABORTED, Outcome.DISCARDED]


class Agent(Oracle, RuleBasedStateMachine):
    """An agent among unreliable arms, controllers, operators, servers, disks and learners."""

    @initialize(max_rounds_owed=st.sampled_from([-1, 0]))
    def start(self, max_rounds_owed):
        config = made_config(
            lock_step=self.lock_step, max_rounds_owed=max_rounds_owed, wait_warning_s=PATIENCE_S
        )
        self.clock = FakeClock()
        builder = TransitionBuilder("widowx", "run", 1, {}, self.last_stored)
        self.core = AgentCore(config, self.clock, builder, last_episode=0)
        # What the others are and do.
        self.state, self.measured_s = 0, 0.0
        self.mode, self.listeners = ControllerMode.HOLD, 0
        self.view = EpisodeView(0, running=False)
        self.request = self.writing = None
        self.old_answers = []
        # What the oracle knows.
        self.on_the_arm, self.sent_s, self.started = None, 0.0, False
        self.sequence = self.segments = 0
        self.executed: list[Executed] = []
        self.earliest_state = {0: 0}
        self.labels: dict[int, EpisodeLabel] = {}
        self.committed: list[Record] = []
        self.published = []
        self.do(self.core.on_answer(Connection("", "policy")))
        self.everybody_is_well()

    @property
    def transitions(self):
        return [t for record in self.committed for t in record.transitions]

    def last_stored(self, episode):
        """As the journal does it: the labelled transition, else the highest chunk."""
        of_episode = [t for t in self.transitions if t.episode == episode]
        order = lambda t: (t.episode_outcome != Outcome.PENDING, t.chunk, t.revision)  # noqa: E731
        return max(of_episode, key=order, default=None)

    # What the agent wants

    def do(self, effects):
        for effect in effects:
            if isinstance(effect, SentChunk):
                self.check_sent(effect)
            elif isinstance(effect, Record):
                assert self.writing is None, "one record at a time"
                assert effect
                self.writing = effect
            elif isinstance(effect, PublishTransitions):
                self.published.extend(effect.transitions)
            elif not isinstance(effect, AgentStatus):
                self.check_asked(effect)

    def check_asked(self, asked):
        assert self.request is None, "at most one request is in flight"
        assert self.writing is None, "nothing is begun that could not be kept"
        assert self.on_the_arm is None or self.is_given_up()
        assert asked.observation.proprio[0] == asked.observation.arm_state_sequence
        if not isinstance(asked, AskFeatures):
            self.check_welcome()
            first = self.view.first_arm_state_sequence
            earliest = max(first, self.earliest_state.get(self.view.episode, 0))
            assert asked.observation.arm_state_sequence >= earliest
        self.request = asked

    def check_welcome(self):
        assert self.listeners
        assert self.mode is ControllerMode.POLICY
        assert self.view.running
        assert self.view.episode not in self.labels

    def check_sent(self, sent):
        self.check_welcome()
        assert self.on_the_arm is None or self.is_given_up(), "no chunk while another is in flight"
        assert sent.episode == self.view.episode
        assert sent.sequence == self.sequence + 1
        assert sent.chunk == sum(e.sent.episode == sent.episode for e in self.executed)
        self.sequence, self.on_the_arm = sent.sequence, sent
        self.sent_s, self.started = self.clock.now_s(), False

    def is_given_up(self):
        """Whether the chunk on the arm is of an earlier episode and has been owed for too long."""
        is_old = self.on_the_arm.episode < self.view.episode
        return is_old and self.clock.now_s() - self.sent_s >= PATIENCE_S

    # What comes in

    @rule(steps=st.integers(1, 7), objects=st.booleans())
    def arm_moves(self, steps=1, *, objects=True):
        self.state += steps
        self.see(objects=objects)

    @rule(objects=st.booleans())
    def see(self, *, objects=True):
        now_s, stamp_ns = self.clock.now_s(), self.state * STEP_NS
        if objects:
            self.do(self.core.on_objects(Reading(stamp_ns, now_s, {"carrot.x": 0.1})))
        values = {"tool_x": float(self.state)}
        self.do(self.core.on_arm(ArmReading(stamp_ns, now_s, values, self.state)))

    @rule(by_s=st.sampled_from([0.05, 0.2, 0.5, 3.0, 6.0]))
    def time_passes(self, by_s):
        self.clock.advance(by_s)
        self.do(self.core.tick())

    @rule(mode=st.sampled_from(list(ControllerMode)), sigma_cap=st.sampled_from([0.5, 0.8]))
    def controller_reports(self, mode, sigma_cap=0.5):
        self.mode = mode
        started = self.sequence if self.started else max(self.sequence - 1, 0)
        view = ControllerView(mode, sigma_cap, 2.0, 5.0, started, self.segments)
        self.do(self.core.on_controller(view))

    @rule(listeners=st.sampled_from([0, 1, 1, 2]))
    def listeners_change(self, listeners):
        self.listeners = listeners
        self.do(self.core.on_listeners(listeners))

    @rule(problem=st.sampled_from(["", "", "no policy server"]))
    def connection_changes(self, problem):
        self.do(self.core.on_answer(Connection(problem, "policy")))

    @rule(taken=st.integers(0, 30), owed=st.integers(0, 2), phase=st.sampled_from(["", "training"]))
    def learner_reports(self, taken, owed, phase):
        self.do(self.core.on_learner(LearnerView(phase, taken, owed)))

    @precondition(lambda self: self.request is not None)
    @rule(fails=st.sampled_from([False, False, False, True]))
    def server_answers(self, *, fails=False):
        asked, self.request = self.request, None
        number = asked.observation.arm_state_sequence
        if fails:
            answer = FailedAnswer(asked.request, "no answer")
        elif isinstance(asked, AskFeatures):
            answer = FeaturesAnswer(asked.request, features_of(number))
        else:
            answer = ChunkAnswer(asked.request, made_reply(number), 0.02)
        self.old_answers.append(answer)
        self.do(self.core.on_answer(answer))

    @precondition(lambda self: self.old_answers)
    @rule(data=st.data())
    def server_repeats_itself(self, data):
        self.do(self.core.on_answer(data.draw(st.sampled_from(self.old_answers))))

    @precondition(lambda self: self.on_the_arm is not None)
    @rule()
    def chunk_starts(self):
        self.started = True
        self.controller_reports(self.mode)

    @precondition(lambda self: self.on_the_arm is not None)
    @rule(
        steps=st.integers(0, 5),
        result=st.sampled_from(list(ChunkResult)),
        sees=st.booleans(),
        code=st.sampled_from(["teleop", "unknown_arm_state"]),
    )
    def chunk_ends(self, steps=5, result=ChunkResult.COMPLETED, code="", *, sees=True):
        may_be_lost = self.is_given_up()
        sent, self.on_the_arm = self.on_the_arm, None
        steps = 0 if result is ChunkResult.REFUSED else steps
        started_ns = self.state * STEP_NS
        self.state += steps
        end = self.outcome(sent.sequence, result, steps, started_ns, code)
        if steps:
            self.executed.append(Executed(sent, started_ns, self.state, sees, may_be_lost))
        known = self.earliest_state.get(sent.episode, 0)
        self.earliest_state[sent.episode] = max(known, self.state)
        if sees:
            self.see()
        self.do(self.core.on_outcome(end))
        self.do(self.core.on_outcome(end))

    @rule(off=st.sampled_from([-1, 1, 7]))
    def outcome_of_another_chunk(self, off):
        end = self.outcome(self.sequence + off, ChunkResult.COMPLETED, 3, 0, "")
        self.do(self.core.on_outcome(end))

    def outcome(self, sequence, result, steps, started_ns, code):
        end = made_end(sequence, 0, steps, result, "" if result is ChunkResult.COMPLETED else code)
        ended_ns, following = self.state * STEP_NS, self.state
        times = {"started_ns": started_ns, "ended_ns": ended_ns, "arm_state_sequence": following}
        return replace(end, **times)

    @precondition(lambda self: self.view.running)
    @rule(steps=st.integers(1, 4))
    def person_takes_over(self, steps=1):
        """A chunk on the arm ends with what the policy did of it; then the controller says so."""
        if self.on_the_arm is not None and not self.is_given_up():
            self.chunk_ends(steps, ChunkResult.PREEMPTED, "teleop")
        self.controller_reports(ControllerMode.TELEOP)

    @precondition(lambda self: self.mode is ControllerMode.TELEOP and self.on_the_arm is None)
    @rule(steps=st.integers(1, 5), doubled=st.booleans())
    def person_drives(self, steps=5, *, doubled=False):
        if self.view.running and self.core.episode != self.view.episode:
            return  # What comes of it before the agent has joined, test_takeover says.
        first, started_ns = self.state, self.state * STEP_NS
        self.see()
        for _ in range(steps):
            self.arm_moves()
        self.segments += 1
        end = made_segment(self.segments, first, steps)
        view = self.view
        if view.running and first >= view.first_arm_state_sequence:
            number = sum(e.sent.episode == view.episode for e in self.executed)
            driven = replace(made_chunk(view.episode, number, 0), arm_state_sequence=first)
            late = view.episode in self.labels
            by_hand = Executed(driven, started_ns, self.state, is_seen=True, may_be_lost=late)
            self.executed.append(by_hand)
            self.earliest_state[view.episode] = self.state
        for _ in range(1 + doubled):
            self.do(self.core.on_outcome(end))

    @precondition(lambda self: self.mode is ControllerMode.TELEOP)
    @rule(mode=st.sampled_from([ControllerMode.POLICY, ControllerMode.HOLD]))
    def person_lets_go(self, mode):
        self.controller_reports(mode)

    @rule(
        rows=st.lists(st.integers(1, 5), min_size=1, max_size=4),
        mode=st.sampled_from([ControllerMode.POLICY, ControllerMode.HOLD]),
        settles=st.booleans(),
    )
    def a_take_over(self, rows, mode, settles):
        """A whole one, with the server and the disk as fast as the person or slower."""
        self.a_chunk_is_sent()
        self.person_takes_over()
        if self.on_the_arm is None:
            for steps in rows:
                self.person_drives(steps)
                if settles:
                    self.settle(rounds=1)
        self.person_lets_go(mode)

    @rule(skips=st.sampled_from([0, 0, 1]), limited=st.booleans())
    def next_episode(self, skips=0, *, limited=False):
        self.view = EpisodeView(
            episode=self.view.episode + 1 + skips,
            running=True,
            first_arm_state_sequence=self.state + 1,
            started_ns=self.state * STEP_NS,
            time_limit_ns=12 * STEP_NS if limited else 0,
        )
        self.do(self.core.on_episode(self.view))

    @rule()
    def episode_stops(self):
        self.view = EpisodeView(self.view.episode, running=False)
        self.do(self.core.on_episode(self.view))

    @precondition(lambda self: self.view.episode > 0)
    @rule(outcome=st.sampled_from(LABELS), steps_ago=st.integers(-3, 12))
    def label(self, outcome, steps_ago):
        """The operator labels the newest episode, once, at an instant within it."""
        episode = self.view.episode
        if episode not in self.labels:
            earliest_ns = (self.view.first_arm_state_sequence + 1) * STEP_NS
            stamp_ns = max((self.state - steps_ago) * STEP_NS, earliest_ns)
            self.give(EpisodeLabel(episode, outcome, stamp_ns, 0, "test"))

    @precondition(lambda self: self.labels)
    @rule(data=st.data(), outcome=st.sampled_from(LABELS), higher=st.booleans())
    def relabel(self, data, outcome, higher):
        before = self.labels[data.draw(st.sampled_from(sorted(self.labels)))]
        if higher:
            revised = EpisodeLabel(
                before.episode, outcome, before.stamp_ns, before.revision + 1, "test"
            )
            self.give(revised)
        else:
            self.do(self.core.on_label(before))

    def give(self, label):
        self.labels[label.episode] = label
        self.do(self.core.on_label(label))

    @precondition(lambda self: self.writing is not None)
    @rule(fails=st.sampled_from([False, False, False, True]))
    def journal_answers(self, *, fails=False):
        record, self.writing = self.writing, None
        if fails:
            self.do(self.core.on_write_failed("no room left"))
            assert self.core.status().reason == "no room left"
        else:
            self.committed.append(record)
            self.do(self.core.on_written())

    # Several steps at once

    @rule()
    def everybody_is_well(self):
        self.listeners_change(1)
        self.controller_reports(ControllerMode.POLICY)
        self.connection_changes("")

    @rule()
    def a_chunk_is_sent(self):
        self.everybody_is_well()
        if not self.view.running or self.view.episode in self.labels:
            self.next_episode()
        if self.on_the_arm is None:
            self.arm_moves()
            self.settle(rounds=2)

    @rule(ends=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=4))
    def some_chunks(self, ends):
        for steps, sees in ends:
            self.a_chunk_is_sent()
            if self.on_the_arm is not None:
                result = ChunkResult.COMPLETED if steps else ChunkResult.REFUSED
                self.chunk_ends(steps, result, sees=sees)

    @rule(outcome=st.sampled_from(LABELS), steps_ago=st.integers(-1, 8))
    def the_scene_is_reset(self, outcome, steps_ago):
        if self.view.episode:
            self.label(outcome, steps_ago)
        self.episode_stops()
        self.arm_moves(7)
        self.next_episode()

    def settle(self, rounds=12):
        """Disk and server do their work, and time passes, until nothing is owed."""
        for _ in range(rounds):
            while self.request is not None or self.writing is not None:
                if self.writing is not None:
                    self.journal_answers()
                else:
                    self.server_answers()
            self.time_passes(0.5 if self.lock_step else 0.05)

    # What must hold

    def teardown(self):
        if not hasattr(self, "core"):
            return
        self.learner_reports(taken=10_000, owed=0, phase="training")
        self.controller_reports(ControllerMode.HOLD)
        for _ in range(3):
            self.arm_moves()
            self.settle()
        self.committed.extend(self.core.close())
        transitions = self.transitions
        assert [t.sequence for t in transitions] == list(range(1, len(transitions) + 1))
        assert self.published == transitions[: len(self.published)]
        seen = Counter()
        for t in transitions:
            assert t.revision == seen[t.episode, t.chunk]
            seen[t.episode, t.chunk] += 1
        newest = {(t.episode, t.chunk): t for t in transitions}
        self.executed = [e for e in self.executed if key_of(e) in newest or not e.may_be_lost]
        self.check_every_chunk(newest)
        self.check_gapless(newest)
        self.check_labels(newest)


class AgentInRealTime(Agent):
    lock_step = False


SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None)

TestLockStep = Agent.TestCase
TestRealTime = AgentInRealTime.TestCase
TestLockStep.settings = TestRealTime.settings = SETTINGS
