"""Decides when to ask the policy server, when to publish a chunk, and what to record.

Every method takes one event and returns the effects that follow from it. The life of a chunk is the
table in `chunk_pipeline`; here is what drives it.
"""

from tmrl_agent import steering
from tmrl_agent.assembly import ArmReading, Assembled, NotReady, Reading
from tmrl_agent.chunk_pipeline import (
    LACKS_FEATURES,
    NEEDS_SERVER,
    ON_THE_ARM,
    ChunkPipeline,
    Event,
    State,
)
from tmrl_agent.effects import AgentStatus, Effect, PublishTransitions
from tmrl_agent.endings import Endings
from tmrl_agent.events import ControllerView, EpisodeLabel, EpisodeView, LearnerView, SentChunk
from tmrl_agent.frames import ImageReading
from tmrl_agent.learner_watch import LearnerWatch
from tmrl_agent.observations import Observations
from tmrl_agent.overlap import Continuation, Overlap
from tmrl_agent.params import AgentConfig
from tmrl_agent.peers import Peers, subject_of
from tmrl_agent.pipeline_queue import PipelineQueue
from tmrl_agent.record_outbox import RecordOutbox
from tmrl_agent.refusal_streak import RefusalStreak
from tmrl_agent.request_slot import RequestSlot
from tmrl_agent.requests import (
    Answer,
    AskChunk,
    AskFeatures,
    ChunkAnswer,
    Connection,
    FailedAnswer,
    FeaturesAnswer,
)
from tmrl_agent.takeover import Takeover
from tmrl_agent.transitions import Record, TransitionBuilder
from tmrl_agent.waiting import Wait, WaitTimer
from tmrl_common.chunks import ChunkOutcome, ChunkResult, Origin
from tmrl_common.clock import Clock
from tmrl_common.messages import no_actions


class AgentCore:
    """The deciding part of the agent, for one session.

    Args:
        config: What is observed, and the agent's time-outs.
        clock: Steady clock.
        builder: Makes the transitions; it continues where the journal ends.
        last_episode: Highest episode in the journal; only later ones are joined, because what was
            seen before a restart of the agent is gone.
    """

    def __init__(
        self, config: AgentConfig, clock: Clock, builder: TransitionBuilder, last_episode: int
    ) -> None:
        self._config = config
        self._clock = clock
        self._builder = builder
        self._last_episode = last_episode
        self._observations = Observations(config, clock)
        self._peers = Peers()
        self._learner = LearnerWatch(config, clock)
        self._pipelines = PipelineQueue()
        self._outbox = RecordOutbox(config, clock, builder.last_sequence)
        self._slot = RequestSlot(config, clock)
        self._refusals = RefusalStreak(config, clock)
        self._waiting = WaitTimer(config.wait_warning_s, clock)
        self._takeover = Takeover(self._observations, last_episode)
        self._endings = Endings(
            clock,
            self._observations,
            self._takeover,
            self._pipelines,
            builder,
            self._outbox,
            self._waiting,
            needs_candidates=config.candidates > 0,
        )
        self._overlap = Overlap(config, self._observations, clock)
        self._connection = Connection("connecting to the policy server")
        self._last_sent: SentChunk | None = None
        self._announced: tuple[object, ...] = ()

    # Events: what is seen

    def on_arm(self, reading: ArmReading) -> list[Effect]:
        """A state of the arm arrived."""
        self._observations.assembler.on_arm(reading)
        return self.tick()

    def on_objects(self, reading: Reading) -> list[Effect]:
        """Positions of the objects arrived."""
        self._observations.assembler.on_objects(reading)
        return self.tick()

    def on_image(self, camera: str, reading: ImageReading) -> list[Effect]:
        """An image arrived."""
        self._observations.assembler.on_image(camera, reading)
        return self.tick()

    # Events: what other nodes report

    def on_listeners(self, chunks: int) -> list[Effect]:
        """So many subscribe to chunks; one that nobody receives never has an outcome."""
        self._peers.listeners = chunks
        return self.tick()

    def on_controller(self, view: ControllerView) -> list[Effect]:
        """The controller reported; new caps are worth another try after refusals."""
        old, self._peers.controller = self._peers.controller, view
        if old is not None and old.caps != view.caps:
            self._refusals.forget()
        self._takeover.on_controller(view)
        self._overlap.on_controller(view)
        pipeline = self._pipelines.on_the_arm(view.started_sequence)
        if pipeline is not None and pipeline.state is State.SENT:
            pipeline.apply(Event.STARTED)
        return self.tick()

    def on_learner(self, view: LearnerView) -> list[Effect]:
        """The learner reported; a simulation may have waited for that."""
        self._learner.update(view)
        return self.tick()

    def on_episode(self, view: EpisodeView) -> list[Effect]:
        """The operator reported where the session stands."""
        self._takeover.on_episode(view)
        self._peers.episode = view
        return self.tick()

    def on_label(self, label: EpisodeLabel) -> list[Effect]:
        """An episode was labelled, or labelled again."""
        self._endings.labels.append(label)
        return self.tick()

    def on_outcome(self, end: ChunkOutcome) -> list[Effect]:
        """The controller reported what became of a chunk, or what a person drove.

        Of chunks, only one on the arm means something.
        """
        if end.origin is Origin.HUMAN:
            self._observations.chunk_ended(end.arm_state_sequence)
            self._takeover.on_segment(end)
            return self.tick()
        pipeline = self._pipelines.on_the_arm(end.chunk.sequence)
        if pipeline is not None:
            self._observations.chunk_ended(end.arm_state_sequence)
            if end.result is ChunkResult.REFUSED:
                sentence = f"{pipeline.name} was refused ({end.code}): {end.reason}"
                self._refusals.refused(end.code, sentence)
                self._overlap.failed(pipeline, sentence)
            else:
                self._refusals.forget()
            self._endings.chunk(pipeline, end)
        return self.tick()

    # Events: what the shell did

    def on_answer(self, answer: Answer) -> list[Effect]:
        """Something came from the policy server; an answer that nobody waits for means nothing."""
        if isinstance(answer, Connection):
            self._connection = answer
            self._endings.policy_version = answer.policy_version
            return self.tick()
        if not self._slot.release(answer):
            return []
        pipeline = self._pipelines.of_request(answer.request)
        effects: list[Effect] = []
        if pipeline is None or isinstance(answer, FailedAnswer):
            if pipeline is not None and pipeline.state is State.ASKED:
                pipeline.apply(Event.UNANSWERED)
                self._overlap.failed(pipeline, self._slot.problem)
        elif isinstance(answer, FeaturesAnswer):
            self._endings.encoded(pipeline, answer.features, answer.candidates)
        else:
            if pipeline.continues is None:
                before, reply = self._pipelines.before(pipeline), answer.reply
                self._endings.encoded(before, reply.features, reply.candidates)
            # A person may have driven since it was asked for, and let go again.
            wanted = self._pipelines.is_newest(pipeline) and self._overlap.is_wanted(pipeline)
            if wanted and self._wait_before_chunk() is None:
                effects.append(self._send(pipeline, answer))
            else:
                pipeline.apply(Event.UNANSWERED)
        return effects + self.tick()

    def on_written(self) -> list[Effect]:
        """The record that was handed out is committed."""
        record = self._outbox.written()
        published = [PublishTransitions(record.transitions)] if record.transitions else []
        return [*published, *self.tick()]

    def on_write_failed(self, problem: str) -> list[Effect]:
        """The journal refused; the record stays first in line and nothing else is begun."""
        self._outbox.failed(problem)
        return self.tick()

    def tick(self) -> list[Effect]:
        """Draws the conclusions of everything known by now; also to be called regularly."""
        self._endings.splice()
        self._endings.take_segments()
        self._endings.observe()
        self._endings.apply_labels()
        self._join()
        self._pipelines.tidy()
        return [*self._outbox.due(), *self._ask(), *self._announce()]

    def close(self) -> list[Record]:
        """The process ends: what is still held back, to be written."""
        self._pipelines.leave()
        self._outbox.put(self._builder.begin(self._builder.episode))
        return self._outbox.records

    # Status

    @property
    def episode(self) -> int:
        """The episode that is joined; 0 before the first."""
        return self._builder.episode

    def status(self) -> AgentStatus:
        """The agent as others see it now."""
        return AgentStatus(
            connection=self._connection,
            last_sent=self._last_sent,
            last_transition=self._outbox.last_sequence,
            reason=self._reason(),
            waits_for=self._waiting.sentence,
        )

    def _reason(self) -> str:
        """What is wrong.

        What kept an episode from continuing is forgotten with it: the next one may fare better.
        """
        unheard = (
            "" if self._peers.listeners else "nobody listens to policy/chunk: start the controller"
        )
        lasting = self._outbox.problem or self._connection.problem or unheard
        lacks_features = self._pipelines.first(LACKS_FEATURES) is not None
        if lasting or not (self._peers.episode.running or lacks_features):
            return lasting
        problem = self._slot.problem or self._refusals.problem or self._waiting.problem
        return problem or self._overlap.problem

    def _announce(self) -> list[Effect]:
        """The status, when something changed that others want to know at once."""
        status = self.status()
        shown = (status.reason, status.connection, status.last_transition)
        if shown == self._announced:
            return []
        self._announced = shown
        return [status]

    # Conclusions

    def _join(self) -> None:
        """Begins the running episode, once nothing of the one before can come any more."""
        view = self._peers.episode
        is_new = view.episode > max(self._builder.episode, self._last_episode)
        if not (view.running and is_new) or self._endings.labels or not self._outbox.is_empty:
            return
        on_the_arm = self._pipelines.first(ON_THE_ARM)
        if on_the_arm is not None and not self._waiting.is_overdue(subject_of(on_the_arm)):
            return
        if self._pipelines.first(NEEDS_SERVER) is not None or self._endings.awaits_segment:
            return
        self._pipelines.leave()
        self._takeover.continues(None)
        self._outbox.put(self._builder.begin(view.episode))
        self._observations.episode_begins(view.first_arm_state_sequence)
        self._refusals.forget()

    def _send(self, pipeline: ChunkPipeline, answer: ChunkAnswer) -> SentChunk:
        seen, before = pipeline.observation, pipeline.continues
        follows = before.chunk.sequence if before is not None and before.chunk is not None else 0
        sent = SentChunk(
            episode=self._builder.episode,
            chunk=self._builder.next_to_send,
            sequence=1 + (self._last_sent.sequence if self._last_sent else 0),
            stamp_ns=seen.stamp_ns,
            arm_state_sequence=seen.observation.arm_state_sequence,
            reply=answer.reply,
            round_trip_s=answer.round_trip_s,
            frame_id=seen.frame_id,
            image_stamps_ns=seen.image_stamps_ns,
            prompt=seen.observation.prompt,
            follows=follows,
            committed_steps=self._config.overlap_steps if follows else 0,
        )
        self._last_sent = sent
        self._builder.sent(sent)
        self._overlap.answered(pipeline)
        pipeline.sent(sent)
        return sent

    # When to ask

    def _ask(self) -> list[Effect]:
        """The next request to the policy server, where there is one to make."""
        request = self._next_request()
        if isinstance(request, Wait):
            self._waiting.update(request)
            return []
        self._waiting.update(self._wait_before_any_request())
        return [request]

    def _next_request(self) -> AskChunk | AskFeatures | Wait:
        """What to ask for now, or what that must wait for."""
        continuation = self._overlap.ready(self._pipelines.newest)
        busy = self._wait_before_any_request(continuation)
        if busy is not None:
            return busy
        wait = self._wait_before_chunk()
        slow = self._learner.wait(self._builder.last_sequence) if wait is None else None
        if slow is not None:
            return slow
        if continuation is not None and wait is None:
            return self._ask_chunk(continuation.seen, continuation)
        if self._pipelines.blocking is not None:
            return self._peers.wait_for_pipeline(self._pipelines.blocking)
        seen = self._pipelines.first(NEEDS_SERVER)
        if seen is not None and not (
            wait is None
            and self._pipelines.admits_beside(seen)
            and self._observations.is_newest(seen.after)
        ):
            return self._ask_features(seen)
        if wait is not None:
            return wait
        observation = self._observations.newest()
        if isinstance(observation, NotReady):
            return Wait("observation", observation.reason, may_last=False)
        return self._ask_chunk(observation)

    def _wait_before_any_request(self, continuation: Continuation | None = None) -> Wait | None:
        """What keeps every request back: a chunk on its way, the journal, another request.

        A running chunk keeps back none that continues it.
        """
        blocking = self._pipelines.blocking
        if blocking is not None and continuation is None:
            return self._peers.wait_for_pipeline(blocking)
        if not self._outbox.is_empty:
            return Wait("journal", f"the journal, to be written {self._outbox.problem}".rstrip())
        if self._slot.in_flight is not None:
            return Wait("server", f"the policy server, to answer request {self._slot.in_flight}")
        if not self._slot.is_free:
            return Wait("pause", f"a pause before the next request: {self._slot.problem}")
        return None

    def _wait_before_chunk(self) -> Wait | None:
        """Who must do something before a chunk is welcome; None when one is welcome now."""
        wait = self._peers.wait_for_chunk(self._observations.arm)
        view = self._peers.episode
        if view.running and view.episode != self._builder.episode:
            sentence = (
                f"episode {view.episode} began before this agent, whose journal holds episodes up "
                f"to {self._last_episode}; stop it, the next one will be joined"
            )
            return Wait("join", sentence, may_last=False)
        # A label waits for the journal before it closes its episode, but it means the same by then.
        is_labelled = any(label.episode == view.episode for label in self._endings.labels)
        if wait is None and (is_labelled or not self._builder.is_open):
            return Wait("label", f"the next episode: episode {view.episode} is labelled")
        if wait is None and self._refusals.forbids:
            return Wait("refusals", f"another try: {self._refusals.sentence}")
        return wait

    def _ask_features(self, seen: ChunkPipeline) -> AskFeatures:
        wanted = seen.observation if seen.state is State.DRIVEN else seen.after
        assert wanted is not None, "SEEN without an observation"
        seen.request = self._slot.take()
        seed = steering.seed(self._config.seed, self._builder.episode, self._builder.next_chunk, 0)
        wish = steering.candidates(self._config, self._peers.controller, seed, of_chunk=False)
        return AskFeatures(seen.request, wanted.observation, wish)

    def _ask_chunk(self, seen: Assembled, continuation: Continuation | None = None) -> AskChunk:
        controller, builder = self._peers.controller, self._builder
        assert controller is not None, "asked without a controller's caps"
        request, before, committed = self._slot.take(), None, no_actions()
        if continuation is not None:
            before, committed = continuation.before, continuation.committed
            before.was_continued = True
        self._pipelines.open(request, seen, before)
        attempt = self._refusals.count
        source = steering.source(self._config, self._learner.phase, builder.episode)
        limits = steering.limits(self._config, controller, attempt)
        seed = steering.seed(self._config.seed, builder.episode, builder.next_to_send, attempt)
        wish = steering.candidates(self._config, controller, seed, of_chunk=True)
        return AskChunk(request, seen.observation, limits, source, seed, committed, wish)
