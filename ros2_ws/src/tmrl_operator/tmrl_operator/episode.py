"""The episode state machine: what a session does next, decided without ROS.

Every public method takes one event (tmrl_operator.events) and returns the effects
(tmrl_operator.effects) that the shell is to carry out, in their order.
"""

from tmrl_common.clock import Clock
from tmrl_common.types import Outcome
from tmrl_operator import events as ev
from tmrl_operator.effects import Ask, Effect, PublishState, Say
from tmrl_operator.labels import Labels
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.pause import Pause
from tmrl_operator.peers import Peers
from tmrl_operator.refused import RefusedError
from tmrl_operator.requests import Request, layout_seed, timeout_s, unanswered
from tmrl_operator.states import ALLOWED, State
from tmrl_operator.time_limit import TimeLimit

_READY = "ready: call operator/start"
_LEAST_PAUSE_S = 1.0
"""Whoever has worse to report, such as an e-stop, does so once per second."""


class EpisodeMachine:
    """Runs episode after episode until a person stops it.

    Args:
        config: How episodes are run.
        ledger: What happened so far in this session.
        clock: Wall time, steady.

    Attributes:
        state: Where the session stands.
        reason: Why, one sentence; empty where the state says it all.
        episode: Number of the newest episode; 0 before the first.
        first_arm_state_sequence: First arm state of the running episode.
        suggestion: What a detector holds the episode for that runs or waits for its label; None
            while it sees no success. Only a person makes a label of it.
    """

    def __init__(self, config: OperatorConfig, ledger: Ledger, clock: Clock) -> None:
        self._config = config
        self._ledger = ledger
        self._labels = Labels(ledger)
        self._clock = clock
        self.state = State.IDLE
        self.reason = ""
        self.episode = ledger.last_episode
        self.first_arm_state_sequence = 0
        self.suggestion: ev.Suggestion | None = None
        self._now_ns = 0
        self._arm_sequence = 0
        self._ended_ns = 0
        self._waiting_for: Request | None = None
        self._asked_at_s, self._asked = 0.0, 0
        self._stop_asked = False
        self._said_ready = False
        self._time = TimeLimit(config.time_limit_s, config.peer_timeout_s)
        self._peers = Peers(config, clock)
        self._pause = Pause("")
        self._effects: list[Effect] = []

    @property
    def started_ns(self) -> int:
        """ROS time at which the newest episode began; 0 before the first."""
        return self._time.started_ns

    def _taken(self) -> list[Effect]:
        """Returns what the event at hand has caused."""
        effects, self._effects = self._effects, []
        return effects

    # What the session sees.

    def arm_seen(self, arm: ev.ArmSeen) -> list[Effect]:
        """Takes an arm state in."""
        self._peers.reported("arm")
        self._now_ns, self._arm_sequence = arm.stamp_ns, arm.sequence
        # With ground truth the verdict of the same instant decides, see verdict_seen and tick.
        if self._config.label_mode == "manual":
            self._check_time_limit(arm.stamp_ns)
        return self._taken()

    def verdict_seen(self, verdict: ev.Verdict) -> list[Effect]:
        """Takes a verdict of the simulation in."""
        automatic = self._config.label_mode == "auto"
        current = self.state is State.RUNNING and verdict.stamp_ns > self.started_ns
        if automatic and current and verdict.success:
            self._end(Outcome.SUCCESS, verdict.stamp_ns, "ground_truth", verdict.detail)
        elif automatic and current:
            self._check_time_limit(verdict.stamp_ns, verdict.detail)
        return self._taken()

    def suggested(self, new: ev.Suggestion) -> list[Effect]:
        """Takes in what a detector sees that only suggests; it is shown."""
        if self._has_episode and new.stamp_ns > self.started_ns:
            if new.success is (self.suggestion is None):
                self._effects.append(PublishState())
            self.suggestion = new if new.success else None
        return self._taken()

    def controller_seen(self, news: ev.ControllerNews) -> list[Effect]:
        """Takes a report of the controller in: trouble aborts what runs."""
        self._peers.on_controller(news.waits_for)
        if news.trouble and self.state in (State.RUNNING, State.READY, State.RESETTING):
            self._abort(Pause(news.trouble))
        elif news.trouble and self.state is State.PAUSED and self._pause.passing:
            self._go_pause(Pause(news.trouble))
        elif self.state is State.RUNNING:
            self._enter(State.RUNNING, f"the controller holds: {news.holds}" if news.holds else "")
        return self._taken()

    def agent_seen(self, news: ev.AgentNews) -> list[Effect]:
        """Takes a report of the agent in: one that restarted has lost the running episode."""
        restarted = self._peers.on_agent(news.epoch, news.trouble)
        if restarted and self.state is State.RUNNING:
            self._abort(Pause("the agent restarted: what it had seen of the episode is lost"))
        return self._taken()

    def learner_started(self, news: ev.LearnerStarted) -> list[Effect]:
        """Notes that the learner takes part."""
        del news
        self._peers.on_learner()
        return self._taken()

    # What a person asks for.

    def start(self, request: ev.Start) -> list[Effect]:
        """Starts the session, or resumes it after a pause.

        Raises:
            RefusedError: It runs already, or a node that it needs is not there.
        """
        del request
        if self.state not in (State.IDLE, State.PAUSED):
            raise RefusedError(f"the session is {self.state.name.lower()}; stop is possible")
        silent = self._peers.silent()
        if silent:
            raise RefusedError(f"cannot start: {silent}")
        if self._all_done():
            raise RefusedError(f"{self._ledger.labelled} episodes are done, as max_episodes asks")
        self._effects += self._labels.lost()
        self._stop_asked = False
        self._go_reset()
        return self._taken()

    def stop(self, request: ev.Stop) -> list[Effect]:
        """Ends the session; a running episode is aborted."""
        self._stop_asked = True
        if self.state is not State.IDLE:
            # In every state: a resume may be in flight.
            self._ask(Request.HOLD)
            self._waiting_for = None
            if self.state in (State.RUNNING, State.LABELLING):
                detail = "session stopped"
                self._label(Outcome.ABORTED, self._now_ns, "operator", detail, request.person)
            self._enter(State.IDLE, f"stopped by {request.person}" if request.person else "stopped")
        return self._taken()

    def pause(self, request: ev.Pause) -> list[Effect]:
        """Makes the arm hold until a person starts again; a running episode is aborted.

        Raises:
            RefusedError: An episode waits for its label, or no session runs; the arm holds already.
        """
        if self.state is State.LABELLING:
            raise RefusedError(f"episode {self.episode} waits for its label first; the arm holds")
        if self.state is State.IDLE:
            raise RefusedError("no session runs; the arm holds")
        if self.state is not State.PAUSED:
            by = f"paused by {request.person}" if request.person else "paused by a person"
            if self.state is State.RUNNING:
                self._label(Outcome.ABORTED, self._now_ns, "operator", "paused", request.person)
            self._go_pause(Pause(by, wanted=True))
        return self._taken()

    def label(self, given: ev.GiveLabel) -> list[Effect]:
        """Labels the running episode, which ends it, or the one that waits for its label.

        Raises:
            RefusedError: There is none, or the outcome is not a person's to give.
        """
        if given.outcome not in (Outcome.SUCCESS, Outcome.FAILURE):
            raise RefusedError(f"{given.outcome.name} cannot be given here; SUCCESS or FAILURE can")
        if self._has_episode and given.episode in (0, self.episode):
            self._time.check(given.stamp_ns, self._now_ns)
            self._judge(given.outcome, given.stamp_ns, given.person)
        else:
            self._effects.append(self._labels.late(given, given.episode or self.episode))
        return self._taken()

    def relabel(self, wanted: ev.Relabel) -> list[Effect]:
        """Changes the label of an earlier episode.

        Raises:
            RefusedError: The episode has no label yet, or the outcome is not a person's to give.
        """
        self._effects.append(self._labels.change(wanted))
        return self._taken()

    def undo(self, request: ev.Undo) -> list[Effect]:
        """Takes the newest label that a person gave back.

        Raises:
            RefusedError: There is none.
        """
        self._effects.append(self._labels.take_back(request.person))
        return self._taken()

    def discard(self, wanted: ev.Discard) -> list[Effect]:
        """Labels an episode so that nothing of it is learned from.

        Raises:
            RefusedError: There is no such episode.
        """
        number = wanted.episode or self.episode
        if number != self.episode or not self._has_episode:
            return self.relabel(ev.Relabel(number, Outcome.DISCARDED, wanted.person))
        self._judge(Outcome.DISCARDED, 0, wanted.person)
        return self._taken()

    def reset_done(self, request: ev.ResetDone) -> list[Effect]:
        """Takes the scene as put back by a person.

        Raises:
            RefusedError: Nothing waits for that, or the arm is still on its way home.
        """
        del request
        if self.state is not State.RESETTING or self._config.reset != "person":
            why = f" ({self.reason})" if self.state is State.PAUSED else ""
            raise RefusedError(f"nobody waits for a reset while {self.state.name.lower()}{why}")
        if self._waiting_for is not None:
            raise RefusedError("the arm is still on its way home; ask again when it is there")
        self.first_arm_state_sequence = self._arm_sequence + 1
        self._enter(State.READY)
        return self._taken()

    # What the shell reports.

    def answered(self, answer: ev.Answered) -> list[Effect]:
        """Takes another node's answer in."""
        if answer.request is not self._waiting_for or answer.number != self._asked:
            return []
        self._waiting_for = None
        if not answer.success:
            failed = f"{answer.request.name.lower()} failed: {answer.message}"
            self._go_pause(Pause(failed, passing=answer.request is Request.HOLD))
        elif answer.request is Request.HOLD and self.state is State.RESETTING:
            scene = self._config.reset == "scene"
            self._ask(Request.RESET_SCENE if scene else Request.DRIVE_HOME)
        elif answer.request is Request.RESET_SCENE:
            self.first_arm_state_sequence = answer.sequence
            self._enter(State.READY)
            self._watch()
        elif answer.request is Request.DRIVE_HOME:
            self._enter(State.RESETTING, "put the scene back, then call operator/reset_done")
        elif answer.request is Request.RESUME:
            self._run()
        return self._taken()

    def tick(self, tick: ev.Tick) -> list[Effect]:
        """Looks after everything that depends on the wall clock."""
        del tick
        if self.state is State.IDLE:
            self._announce()
        elif self.state is not State.PAUSED:
            self._watch()
        elif self._pause.passing:
            self._look_at_pause()
        return self._taken()

    # Decisions.

    @property
    def _has_episode(self) -> bool:
        return self.state in (State.RUNNING, State.LABELLING)

    def _judge(self, outcome: Outcome, stamp_ns: int, person: str) -> None:
        """Takes a person's label of the newest episode; stamp 0 stands for now, or its end."""
        seen = self.suggestion
        detail = "" if seen is None else f"suggested: SUCCESS, {seen.confidence:.2f} {seen.detail}"
        waits = self.state is State.LABELLING
        if not waits:
            self._ask(Request.HOLD)
        at_ns = stamp_ns or (self._ended_ns if waits else self._now_ns)
        self._label(outcome, at_ns, "operator", detail.strip(), person)
        self._next()

    def _announce(self) -> None:
        """Shows that everybody is there before the session starts; logged once."""
        there = not (self._peers.silent() or self._peers.not_ready())
        if there and not self.reason:
            self._enter(State.IDLE, _READY)
            if not self._said_ready:
                self._said_ready = True
                self._effects.append(Say(_READY))
        elif not there and self.reason == _READY:
            self._enter(State.IDLE)

    def _watch(self) -> None:
        silent, stuck = self._peers.silent(), self._peers.stuck()
        asked, waited_s = self._waiting_for, self._clock.now_s() - self._asked_at_s
        if silent:
            self._abort(Pause(silent, passing=True))
        elif asked is not None and waited_s > timeout_s(asked, self._config):
            self._abort(Pause(unanswered(asked, self._config), passing=True))
        elif self.state is State.RUNNING and stuck:
            self._abort(Pause(stuck))
        elif self.state is State.RUNNING:
            # The detector that should judge the last instant may have fallen silent.
            if self._time.is_overdue(self._now_ns, self._clock.now_s()):
                self._check_time_limit(self._now_ns, "no detector judged the last instant")
        elif self.state is State.READY and self._waiting_for is None:
            not_ready = self._peers.not_ready()
            if not_ready:
                self._enter(State.READY, not_ready)
            else:
                self._ask(Request.RESUME)

    def _run(self) -> None:
        self.episode = self._ledger.last_episode + 1
        self._time.begin(self._now_ns)
        self._peers.trust_agent()
        self._ledger.start(self.episode, self.started_ns)
        self._enter(State.RUNNING)

    def _check_time_limit(self, stamp_ns: int, detail: str = "") -> None:
        if self.state is State.RUNNING and stamp_ns >= self._time.ends_ns:
            self._end(Outcome.TIMEOUT, self._time.ends_ns, "time_limit", detail)

    def _end(self, outcome: Outcome, stamp_ns: int, source: str, detail: str) -> None:
        """Stops the arm and labels the episode, or asks a person for the label."""
        self._ask(Request.HOLD)
        self._ended_ns = stamp_ns
        if outcome is Outcome.TIMEOUT and self._config.label_mode == "manual":
            self._enter(State.LABELLING, "time is up: label it with operator/label")
            return
        self._label(outcome, stamp_ns, source, detail)
        self._next()

    def _next(self) -> None:
        if self._stop_asked or self._all_done():
            self._enter(State.IDLE, f"{self._ledger.labelled} episodes done")
        else:
            self._go_reset()

    def _go_reset(self) -> None:
        self._enter(State.RESETTING)
        if self._waiting_for is not Request.HOLD:
            self._ask(Request.HOLD)

    def _abort(self, pause: Pause) -> None:
        """Something is wrong: the arm shall hold, and a person decides how to continue."""
        if self.state in (State.RUNNING, State.LABELLING):
            self._label(Outcome.ABORTED, self._now_ns, "fault", pause.cause)
        self._go_pause(pause)

    def _go_pause(self, pause: Pause) -> None:
        self._waiting_for, self._pause = None, pause
        self._asked_at_s = self._clock.now_s()
        self._ledger.pause(pause.cause)
        self._effects.append(Ask(Request.HOLD))
        self._enter(State.PAUSED, pause.sentence)

    def _look_at_pause(self) -> None:
        """In a simulation nobody is in the arm's reach, and perhaps nobody looks: it resumes."""
        if self._peers.silent() or self._clock.now_s() - self._asked_at_s < _LEAST_PAUSE_S:
            self._enter(State.PAUSED, self._pause.sentence)
        elif self._config.reset == "scene":
            self._go_reset()
        else:
            self._enter(State.PAUSED, self._pause.over)

    def _label(
        self, outcome: Outcome, stamp_ns: int, source: str, detail: str, person: str = ""
    ) -> None:
        label = Label(self.episode, outcome, stamp_ns, source, detail, 0, person)
        self._effects.append(self._labels.give(label))

    def _ask(self, request: Request) -> None:
        self._waiting_for = request
        self._asked_at_s, self._asked = self._clock.now_s(), self._asked + 1
        seed = layout_seed(self._config.seed, self._ledger.last_episode + 1)
        self._effects.append(Ask(request, seed, self._asked))

    def _all_done(self) -> bool:
        return 0 < self._config.max_episodes <= self._ledger.labelled

    def _enter(self, state: State, reason: str = "") -> None:
        if state is not self.state and state not in ALLOWED[self.state]:
            raise RuntimeError(f"{self.state.name} -> {state.name} is not in the table")
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            if not self._has_episode:
                self.suggestion = None
            self._effects.append(PublishState())
