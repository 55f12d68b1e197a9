"""The episode state machine: what a session does next, decided without ROS.

Messages, service calls and the wall clock go in; requests to other nodes and labels come out. The
shell carries the requests out and reports the answers back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from tmrl_common.clock import Clock
from tmrl_common.types import Outcome
from tmrl_operator.ledger import Label, Ledger
from tmrl_operator.params import OperatorConfig
from tmrl_operator.peers import Peers
from tmrl_operator.requests import Request, timeout_s, unanswered

_NANO = 1_000_000_000


class State(IntEnum):
    """Where a session stands; the numbers are those of tmrl_msgs/EpisodeState."""

    IDLE = 0
    RESETTING = 1
    READY = 2
    RUNNING = 3
    LABELLING = 4
    PAUSED = 5


ALLOWED: dict[State, frozenset[State]] = {
    State.IDLE: frozenset({State.RESETTING}),
    State.RESETTING: frozenset({State.READY, State.PAUSED, State.IDLE}),
    State.READY: frozenset({State.RUNNING, State.PAUSED, State.IDLE}),
    State.RUNNING: frozenset({State.LABELLING, State.RESETTING, State.PAUSED, State.IDLE}),
    State.LABELLING: frozenset({State.RESETTING, State.PAUSED, State.IDLE}),
    State.PAUSED: frozenset({State.RESETTING, State.IDLE}),
}
"""The table of transitions; everything else is a fault of the machine itself."""


class RefusedError(Exception):
    """A request of a person that is not possible now; the text says what is."""


@dataclass(frozen=True)
class Shell:
    """What the machine needs of its shell.

    Attributes:
        request: Asks another node for something; `answered` is called with the result.
        publish_label: Publishes a label.
        publish_state: Publishes the machine's state.
    """

    request: Callable[[Request, int], None]
    publish_label: Callable[[Label], None]
    publish_state: Callable[[], None]


class EpisodeMachine:
    """Runs episode after episode until told to stop.

    Args:
        config: How episodes are run.
        ledger: What happened so far in this session.
        clock: Wall time, steady.
        shell: Carries out what is decided.

    Attributes:
        state: Where the session stands.
        reason: Why, one sentence; empty where the state says it all.
        episode: Number of the newest episode; 0 before the first.
        started_ns: ROS time at which the running episode began.
        first_arm_state_sequence: First arm state of the running episode.
    """

    def __init__(self, config: OperatorConfig, ledger: Ledger, clock: Clock, shell: Shell) -> None:
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._shell = shell
        self.state = State.IDLE
        self.reason = ""
        self.episode = ledger.last_episode
        self.started_ns = 0
        self.first_arm_state_sequence = 0
        self._now_ns = 0
        self._arm_sequence = 0
        self._ended_ns = 0
        self._waiting_for: Request | None = None
        self._asked_at_s = 0.0
        self._stop_asked = False
        self._limit_passed_s: float | None = None
        self._peers = Peers(config, clock)

    # What the session hears.

    def heard_arm(self, stamp_ns: int, sequence: int) -> None:
        """An arm state arrived."""
        self._peers.heard("arm")
        self._now_ns, self._arm_sequence = stamp_ns, sequence
        # With ground truth the verdict of the same instant decides, see heard_truth and tick.
        if self._config.label_mode == "manual":
            self._check_time_limit(stamp_ns)

    def heard_truth(self, stamp_ns: int, detail: str, *, success: bool) -> None:
        """The simulation judged the state at `stamp_ns`."""
        automatic = self._config.label_mode == "auto"
        if self.state is not State.RUNNING or not automatic or stamp_ns <= self.started_ns:
            return
        if success:
            self._end(Outcome.SUCCESS, stamp_ns, "ground_truth", detail)
        else:
            self._check_time_limit(stamp_ns, detail)

    def heard_controller(self, trouble: str, holds: str = "", waits_for: str = "") -> None:
        """The controller reported its mode.

        Args:
            trouble: Names an e-stop or a fault; empty while there is none.
            holds: Why it holds the arm; empty while somebody drives.
            waits_for: Who has to be there before it can let the policy drive; empty when all are.
        """
        self._peers.heard_controller(waits_for)
        if trouble and self.state in (State.RUNNING, State.READY, State.RESETTING):
            self._abort(trouble)
        elif self.state is State.RUNNING:
            self._enter(State.RUNNING, f"the controller holds: {holds}" if holds else "")

    def heard_agent(self, epoch: str, trouble: str) -> None:
        """The agent reported its health.

        Args:
            epoch: Identifies the life of its process.
            trouble: Why it cannot go on, such as an absent policy server; empty while it can.
        """
        restarted = self._peers.heard_agent(epoch, trouble)
        if restarted and self.state is State.RUNNING:
            self._abort("the agent restarted: what it had seen of the episode is lost")

    def heard_learner(self) -> None:
        """The learner has started."""
        self._peers.heard_learner()

    # What a person asks for.

    def start(self) -> None:
        """Starts the session, or goes on after a pause.

        Raises:
            RefusedError: It runs already, or a node that it needs is not there.
        """
        if self.state not in (State.IDLE, State.PAUSED):
            raise RefusedError(f"the session is {self.state.name.lower()}; stop is possible")
        silent = self._peers.silent()
        if silent:
            raise RefusedError(f"cannot start: {silent}")
        if self._all_done():
            raise RefusedError(f"{self._ledger.labelled} episodes are done, as max_episodes asks")
        self._label_the_lost()
        self._stop_asked = False
        self._go_reset()

    def stop(self) -> None:
        """Ends the session; a running episode is aborted."""
        self._stop_asked = True
        if self.state is State.IDLE:
            return
        # In every state: a resume may be under way.
        self._ask(Request.HOLD)
        self._waiting_for = None
        if self.state in (State.RUNNING, State.LABELLING):
            self._label(Outcome.ABORTED, self._now_ns, "operator", "session stopped")
        self._enter(State.IDLE, "stopped")

    def label(self, outcome: Outcome, stamp_ns: int, person: str) -> None:
        """Labels the running episode, which ends it, or the one that waits for its label.

        Raises:
            RefusedError: There is none, or the outcome is not a person's to give.
        """
        if outcome not in (Outcome.SUCCESS, Outcome.FAILURE):
            raise RefusedError(f"{outcome.name} cannot be given here; SUCCESS or FAILURE can")
        if self.state is State.RUNNING:
            self._end(outcome, self._checked(stamp_ns) or self._now_ns, "operator", person)
        elif self.state is State.LABELLING:
            self._label(outcome, self._checked(stamp_ns) or self._ended_ns, "operator", person)
            self._next()
        else:
            raise RefusedError(
                f"no episode waits for a label while {self.state.name.lower()}; relabel changes "
                "the label of an earlier one"
            )

    def relabel(self, episode: int, outcome: Outcome, person: str) -> None:
        """Changes the label of an earlier episode.

        Raises:
            RefusedError: The episode has no label yet, or the outcome is not a person's to give.
        """
        if outcome not in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.DISCARDED):
            raise RefusedError(f"{outcome.name} cannot be given; SUCCESS, FAILURE, DISCARDED can")
        earlier = self._ledger.labels.get(episode)
        if earlier is None:
            known = f"1 to {self._ledger.last_episode}" if self._ledger.labels else "none yet"
            raise RefusedError(f"episode {episode} has no label to change; labelled: {known}")
        self._publish(episode, outcome, earlier.stamp_ns, "operator", person)

    def discard(self, episode: int) -> None:
        """Nothing of an episode shall be learned from; 0 means the running or the last one.

        Raises:
            RefusedError: There is no such episode.
        """
        number = episode or self.episode
        if number == self.episode and self.state is State.RUNNING:
            self._end(Outcome.DISCARDED, self._now_ns, "operator", "")
        elif number == self.episode and self.state is State.LABELLING:
            self._label(Outcome.DISCARDED, self._ended_ns, "operator", "")
            self._next()
        else:
            self.relabel(number, Outcome.DISCARDED, "")

    def reset_done(self) -> None:
        """A person has put the scene back.

        Raises:
            RefusedError: Nothing waits for that, or the arm is still on its way home.
        """
        if self.state is not State.RESETTING or self._config.reset != "person":
            raise RefusedError(f"nobody waits for a reset while {self.state.name.lower()}")
        if self._waiting_for is not None:
            raise RefusedError("the arm is still on its way home; ask again when it is there")
        self.first_arm_state_sequence = self._arm_sequence + 1
        self._enter(State.READY)

    # What the shell reports.

    def answered(self, request: Request, message: str, sequence: int = 0, *, success: bool) -> None:
        """Another node answered a request; `sequence` is the first arm state after a reset."""
        if request is not self._waiting_for:
            return
        self._waiting_for = None
        if not success:
            self._pause(f"{request.name.lower()} failed: {message}")
        elif request is Request.HOLD and self.state is State.RESETTING:
            scene = self._config.reset == "scene"
            self._ask(Request.RESET_SCENE if scene else Request.DRIVE_HOME)
        elif request is Request.RESET_SCENE:
            self.first_arm_state_sequence = sequence
            self._enter(State.READY)
            self.tick()
        elif request is Request.DRIVE_HOME:
            self._enter(State.RESETTING, "put the scene back, then call operator/reset_done")
        elif request is Request.RESUME:
            self._run()

    def tick(self) -> None:
        """Looks after everything that depends on the wall clock; called several times a second."""
        if self.state in (State.IDLE, State.PAUSED):
            return
        silent, stuck = self._peers.silent(), self._peers.stuck()
        asked, waited_s = self._waiting_for, self._clock.now_s() - self._asked_at_s
        if silent:
            self._abort(silent)
        elif asked is not None and waited_s > timeout_s(asked, self._config):
            self._abort(unanswered(asked, self._config))
        elif self.state is State.RUNNING and stuck:
            self._abort(stuck)
        elif self.state is State.RUNNING:
            self._end_without_verdict()
        elif self.state is State.READY and self._waiting_for is None:
            not_ready = self._peers.not_ready()
            if not_ready:
                self._enter(State.READY, not_ready)
            else:
                self._ask(Request.RESUME)

    # Decisions.

    def _run(self) -> None:
        self.episode = self._ledger.last_episode + 1
        self.started_ns = self._now_ns
        self._limit_passed_s = None
        self._peers.trust_agent()
        self._ledger.start(self.episode, self.started_ns)
        self._enter(State.RUNNING)

    def _check_time_limit(self, stamp_ns: int, detail: str = "") -> None:
        if self.state is State.RUNNING and stamp_ns >= self._limit_ns:
            self._end(Outcome.TIMEOUT, self._limit_ns, "time_limit", detail)

    @property
    def _limit_ns(self) -> int:
        return self.started_ns + round(self._config.time_limit_s * _NANO)

    def _end_without_verdict(self) -> None:
        """Time is up and the detector that should have judged that instant stays silent."""
        now_s = self._clock.now_s()
        if self._now_ns < self._limit_ns:
            return
        if self._limit_passed_s is None:
            self._limit_passed_s = now_s
        elif now_s - self._limit_passed_s > self._config.peer_timeout_s:
            self._check_time_limit(self._now_ns, "no detector judged the last instant")

    def _checked(self, stamp_ns: int) -> int:
        """A person's stamp; 0 stays 0.

        Raises:
            RefusedError: It lies outside of the episode.
        """
        if stamp_ns and not self.started_ns < stamp_ns <= self._now_ns:
            raise RefusedError(
                f"the stamp {stamp_ns / _NANO:.3f} s lies outside of the episode, which began at "
                f"{self.started_ns / _NANO:.3f} s; it is {self._now_ns / _NANO:.3f} s now"
            )
        return stamp_ns

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

    def _abort(self, reason: str) -> None:
        """Something is wrong: the arm shall hold, and a person decides how to go on."""
        if self.state in (State.RUNNING, State.LABELLING):
            self._label(Outcome.ABORTED, self._now_ns, "fault", reason)
        self._pause(reason)

    def _pause(self, reason: str) -> None:
        self._waiting_for = None
        self._shell.request(Request.HOLD, 0)
        self._enter(State.PAUSED, reason)

    def _label_the_lost(self) -> None:
        """Episodes that a crash of this node cut off were aborted by it."""
        for episode, stamp_ns in self._ledger.unlabelled():
            self._publish(episode, Outcome.ABORTED, stamp_ns, "fault", "the operator restarted")

    def _label(self, outcome: Outcome, stamp_ns: int, source: str, detail: str) -> None:
        self._publish(self.episode, outcome, stamp_ns, source, detail)

    def _publish(
        self, episode: int, outcome: Outcome, stamp_ns: int, source: str, detail: str
    ) -> None:
        label = self._ledger.label(episode, outcome, stamp_ns, source, detail)
        self._shell.publish_label(label)

    def _ask(self, request: Request) -> None:
        self._waiting_for = request
        self._asked_at_s = self._clock.now_s()
        self._shell.request(request, self._layout_seed())

    def _layout_seed(self) -> int:
        """Seed of the next episode's layout: the same for the same session seed and number."""
        entropy = (self._config.seed, self._ledger.last_episode + 1)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])

    def _all_done(self) -> bool:
        return 0 < self._config.max_episodes <= self._ledger.labelled

    def _enter(self, state: State, reason: str = "") -> None:
        if state is not self.state and state not in ALLOWED[self.state]:
            raise RuntimeError(f"{self.state.name} -> {state.name} is not in the table")
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            self._shell.publish_state()
