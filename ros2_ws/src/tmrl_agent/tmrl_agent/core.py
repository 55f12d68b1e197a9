"""Decides when to ask the policy server, when to publish a chunk, and what to record.

Every method takes one event and returns what follows from it. One request is under way at most, and
one chunk; nothing is asked for while something that was decided has not been written yet.
"""

from collections import deque

from tmrl_agent import steering
from tmrl_agent.assembly import (
    ArmReading,
    Assembled,
    NotReady,
    ObservationAssembler,
    Reading,
)
from tmrl_agent.events import ControllerView, EpisodeLabel, EpisodeView, LearnerView, SentChunk
from tmrl_agent.frames import ImageReading
from tmrl_agent.learner_watch import LearnerWatch
from tmrl_agent.params import AgentConfig
from tmrl_agent.patience import BackOff, Stopwatch
from tmrl_agent.refusals import Refusals
from tmrl_agent.requests import (
    Answer,
    AskChunk,
    AskFeatures,
    ChunkAnswer,
    Connection,
    FailedAnswer,
    FeaturesAnswer,
)
from tmrl_agent.transitions import Record, TransitionBuilder
from tmrl_common.chunks import ChunkOutcome, ChunkResult, ControllerMode
from tmrl_common.clock import Clock
from tmrl_common.types import SteeringSource

Decision = AskChunk | AskFeatures | SentChunk | Record
"""What to do now; a SentChunk is to be published, a Record to be written and then published."""


class AgentCore:
    """The deciding part of the agent, for one session.

    Args:
        config: What is observed, and how patient the agent is.
        clock: Steady clock.
        builder: Makes the transitions; it goes on where the journal ends.
        last_episode: Highest episode in the journal; only later ones are joined, because what was
            seen before a restart of the agent is gone.

    Attributes:
        heard: Whether somebody listens to chunks; one that nobody hears never has an outcome.
    """

    def __init__(
        self, config: AgentConfig, clock: Clock, builder: TransitionBuilder, last_episode: int
    ) -> None:
        self.heard = False
        self._config = config
        self._clock = clock
        self._builder = builder
        self._last_episode = last_episode
        self._assembler = ObservationAssembler(config)
        self._controller: ControllerView | None = None
        self._episode = EpisodeView(0, running=False)
        self._learner = LearnerWatch(config, clock)
        self._awaits_outcome = False
        self._asked: tuple[int, Assembled] | None = None
        self._requests = 0
        self._last_sent: SentChunk | None = None
        self._earliest_state = 0
        self._ended_s = 0.0
        self._after: Assembled | None = None
        self._refusals = Refusals(config, clock)
        self._connection = Connection("connecting to the policy server")
        self._request_problem = ""
        self._journal_problem = ""
        self._unwritten: deque[Record] = deque()
        self._labels: deque[EpisodeLabel] = deque()
        self._ask_again = BackOff(config.retry_first_s, config.retry_max_s, clock)
        self._write_again = BackOff(config.retry_first_s, config.retry_max_s, clock)
        self._waiting = Stopwatch(config.patience_s, clock)

    # Status

    @property
    def connection(self) -> Connection:
        """Whether there is a policy server, and which policy it serves."""
        return self._connection

    @property
    def last_sent(self) -> SentChunk | None:
        """The newest chunk; None before the first of this process."""
        return self._last_sent

    @property
    def source(self) -> SteeringSource:
        """Who steers the next chunk."""
        return steering.source(self._config, self._learner.phase)

    @property
    def reason(self) -> str:
        """What is wrong; empty while healthy.

        What kept an episode from going on is forgotten with it: the next one may fare better.
        """
        unheard = "" if self.heard else "nobody listens to policy/chunk: start the controller"
        lasting = self._journal_problem or self._connection.problem or unheard
        if lasting or not (self._episode.running or self._builder.wants_features):
            return lasting
        return self._request_problem or self._refusals.problem or self._waiting.reason

    # What is seen

    def on_arm(self, reading: ArmReading) -> list[Decision]:
        """A state of the arm arrived."""
        self._assembler.on_arm(reading)
        return self.advance()

    def on_objects(self, reading: Reading) -> list[Decision]:
        """Positions of the objects arrived."""
        self._assembler.on_objects(reading)
        return self.advance()

    def on_image(self, camera: str, reading: ImageReading) -> list[Decision]:
        """An image arrived."""
        self._assembler.on_image(camera, reading)
        return self.advance()

    # What others say

    def on_controller(self, view: ControllerView) -> list[Decision]:
        """The controller reported; new caps are worth another try after refusals."""
        old, self._controller = self._controller, view
        if old is not None and (old.sigma_cap, old.z_cap) != (view.sigma_cap, view.z_cap):
            self._refusals.forget()
        return self.advance()

    def on_learner(self, view: LearnerView) -> list[Decision]:
        """The learner reported; a simulation may have waited for that."""
        self._learner.heard(view)
        return self.advance()

    def on_episode(self, view: EpisodeView) -> list[Decision]:
        """The operator reported where the session stands."""
        self._episode = view
        return self.advance()

    def on_label(self, label: EpisodeLabel) -> list[Decision]:
        """An episode was labelled, or labelled anew."""
        self._labels.append(label)
        return self.advance()

    def on_outcome(self, end: ChunkOutcome) -> list[Decision]:
        """The controller said what became of a chunk of this agent."""
        last = self._last_sent
        if self._awaits_outcome and last is not None and end.chunk.sequence == last.sequence:
            self._awaits_outcome = False
            self._after = None
            self._ended_s = self._clock.now_s()
            self._earliest_state = max(self._earliest_state, end.arm_state_sequence)
            self._waiting.stop()
            if end.result is ChunkResult.REFUSED:
                sentence = f"chunk {end.chunk.sequence} was refused ({end.code}): {end.reason}"
                self._refusals.refused(end.code, sentence)
            else:
                self._refusals.forget()
            self._keep(self._builder.ended(end))
        return self.advance()

    # What the policy server says

    def on_answer(self, answer: Answer) -> list[Decision]:
        """Something came from the policy server; an answer that nobody waits for is dropped."""
        if isinstance(answer, Connection):
            self._connection = answer
            return self.advance()
        if self._asked is None or self._asked[0] != answer.request:
            return []
        seen, self._asked = self._asked[1], None
        if isinstance(answer, FailedAnswer):
            self._request_problem = answer.problem
            self._ask_again.failed()
            return []
        self._request_problem = ""
        self._ask_again.succeeded()
        decisions: list[Decision] = []
        if isinstance(answer, FeaturesAnswer):
            self._keep(self._builder.seen_next(answer.features))
        else:
            self._keep(self._builder.seen_next(answer.reply.features))
            if self._may_send():
                decisions.append(self._send(answer, seen))
        return decisions + self.advance()

    # What became of a record

    def on_written(self) -> list[Decision]:
        """The record that was decided last is committed."""
        self._unwritten.popleft()
        self._journal_problem = ""
        self._write_again.succeeded()
        return self.advance()

    def on_write_failed(self, problem: str) -> list[Decision]:
        """The journal refused; the record stays first in line and nothing else is begun."""
        self._journal_problem = problem
        self._write_again.failed()
        return []

    def close(self) -> list[Record]:
        """The process ends: what is still held back, to be written."""
        self._keep(self._builder.begin(self._builder.episode))
        return list(self._unwritten)

    # Deciding

    def advance(self) -> list[Decision]:
        """Draws the conclusions of everything known by now; also to be called regularly."""
        self._look()
        while self._labels and not self._unwritten:
            self._keep(self._builder.labelled(self._labels.popleft()))
        if self._unwritten:
            return [] if self._write_again.pausing else [self._unwritten[0]]
        if self._joins():
            return self.advance()
        if self._asked is not None or self._ask_again.pausing:
            return []
        wants_chunk = not self._awaits_outcome and self._may_send()
        if wants_chunk and self._learner.lags(self._builder.last_sequence):
            return []
        if self._builder.wants_features and not (wants_chunk and self._sees_after):
            return self._ask_features()
        if wants_chunk:
            return self._ask_chunk()
        self._watch()
        return []

    def _joins(self) -> bool:
        """Begins the running episode, once nothing of the one before can come any more."""
        view = self._episode
        is_new = view.episode > max(self._builder.episode, self._last_episode)
        if not (view.running and is_new):
            return False
        if self._builder.wants_features and self._after is not None:
            return False
        if self._awaits_outcome and not self._waiting.reason:
            return False
        self._keep(self._builder.begin(view.episode))
        self._awaits_outcome = False
        self._asked = None
        self._after = None
        self._earliest_state = view.first_arm_state_sequence
        self._refusals.forget()
        self._waiting.stop()
        return True

    def _look(self) -> None:
        """Keeps the observation after the newest outcome: a reset may come before it is needed."""
        if self._after is not None or not self._builder.wants_features:
            return
        arm, now_s = self._assembler.arm, self._clock.now_s()
        if arm is None or arm.sequence < self._earliest_state or self._has_moved_on:
            return
        seen = self._assembler.assemble(now_s)
        if isinstance(seen, Assembled):
            self._after = seen

    @property
    def _has_moved_on(self) -> bool:
        """Whether what is seen by now is not the end of the last chunk but what came after it.

        A person, the way home or a reset may have moved something: that observation is lost.
        """
        if self._config.lock_step:
            arm = self._assembler.arm
            return arm is not None and arm.sequence > self._earliest_state
        return self._clock.now_s() - self._ended_s > self._config.max_observation_age_s

    @property
    def _sees_after(self) -> bool:
        """Whether the newest arm state is the one right after the last chunk."""
        arm, after = self._assembler.arm, self._after
        newest = arm.sequence if arm is not None else None
        return after is not None and after.observation.arm_state_sequence == newest

    def _may_send(self) -> bool:
        """Whether a chunk would be welcome now."""
        return (
            self.heard
            and self._episode.running
            and self._episode.episode == self._builder.episode
            and self._builder.is_open
            and self._controller is not None
            and self._controller.mode is ControllerMode.POLICY
            and not self._refusals.forbid
            and not self._is_over()
        )

    @property
    def _is_teleoperated(self) -> bool:
        return self._controller is not None and self._controller.mode is ControllerMode.TELEOP

    def _is_over(self) -> bool:
        arm = self._assembler.arm
        return arm is not None and self._episode.is_over_at(arm.stamp_ns)

    def _ask_features(self) -> list[Decision]:
        if self._after is None:
            self._waiting.waits_for("nothing was seen after the last chunk; is the driver alive?")
            if not (self._has_moved_on or self._waiting.reason):
                return []
            self._waiting.stop()
            self._keep(self._builder.without_features())
            return self.advance()
        self._waiting.stop()
        self._requests += 1
        self._asked = (self._requests, self._after)
        return [AskFeatures(self._requests, self._after.observation)]

    def _ask_chunk(self) -> list[Decision]:
        arm, controller = self._assembler.arm, self._controller
        assert controller is not None, "asked without a controller's caps"
        if arm is not None and arm.sequence < self._earliest_state:
            seen = NotReady(
                f"arm/state {arm.sequence} is older than {self._earliest_state}, from which on the "
                "next chunk may start; is the driver alive?"
            )
        else:
            seen = self._assembler.assemble(self._clock.now_s())
        if isinstance(seen, NotReady):
            self._waiting.waits_for(seen.reason)
            return []
        self._waiting.stop()
        self._requests += 1
        self._asked = (self._requests, seen)
        attempt = self._refusals.count
        limits = steering.limits(self._config, controller, attempt)
        builder, key = self._builder, self._config.seed
        seed = steering.seed(key, builder.episode, builder.next_chunk, attempt)
        return [AskChunk(self._requests, seen.observation, limits, self.source, seed)]

    def _send(self, answer: ChunkAnswer, seen: Assembled) -> SentChunk:
        sent = SentChunk(
            episode=self._builder.episode,
            chunk=self._builder.next_chunk,
            sequence=1 + (self._last_sent.sequence if self._last_sent else 0),
            stamp_ns=seen.stamp_ns,
            arm_state_sequence=seen.observation.arm_state_sequence,
            reply=answer.reply,
            round_trip_s=answer.round_trip_s,
            frame_id=seen.frame_id,
        )
        self._last_sent = sent
        self._builder.sent(sent)
        self._awaits_outcome = True
        self._waiting.stop()
        return sent

    def _watch(self) -> None:
        """Names what keeps an episode from going on, should it last."""
        view = self._episode
        if self._awaits_outcome and self._is_teleoperated:
            # A person may drive for as long as it takes; the outcome comes when they let go.
            what = ""
        elif self._awaits_outcome and self._last_sent is not None:
            what = f"chunk {self._last_sent.sequence} has no outcome yet; is the controller alive?"
        elif not view.running:
            what = ""
        elif view.episode != self._builder.episode:
            what = (
                f"episode {view.episode} began before this agent, whose journal holds episodes up "
                f"to {self._last_episode}; stop it, the next one will be joined"
            )
        elif self._controller is None:
            what = "no controller/status has arrived; is the controller alive?"
        else:
            what = ""
        if what:
            self._waiting.waits_for(what)
        else:
            self._waiting.stop()

    def _keep(self, record: Record) -> None:
        if record:
            self._unwritten.append(record)
