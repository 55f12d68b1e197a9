"""What becomes of chunks and of a person's segments from their end on, until they are recorded.

Each waits for two things: the observation after it, and that observation's features. Where a person
takes over or the policy continues without a break, one observation serves both neighbours, so that
no transition ends with anything but what the next one begins with.
"""

from collections import deque

from tmrl_agent.assembly import Assembled, NotReady
from tmrl_agent.chunk_pipeline import ON_THE_ARM, ChunkPipeline, Event, State
from tmrl_agent.events import EpisodeLabel
from tmrl_agent.observations import Observations
from tmrl_agent.peers import subject_of
from tmrl_agent.pipeline_queue import PipelineQueue
from tmrl_agent.record_outbox import RecordOutbox
from tmrl_agent.takeover import Takeover
from tmrl_agent.transitions import TransitionBuilder
from tmrl_agent.waiting import WaitTimer
from tmrl_common.candidates import Candidates
from tmrl_common.chunks import ChunkOutcome, Origin
from tmrl_common.clock import Clock
from tmrl_common.types import FloatArray


class Endings:
    """Brings everything that moved the arm to its record.

    Args:
        clock: Steady clock.
        observations: What is seen and was seen.
        takeover: What a person drove.
        pipelines: What is in progress.
        builder: Makes the transitions.
        outbox: Takes their records.
        waiting: Knows what has been waited for too long.
        needs_candidates: Whether what a person drives must have candidates; features that came
            without are then asked for again.

    Attributes:
        policy_version: Of the policy that encodes.
        labels: Those that the journal could not take yet.
    """

    def __init__(
        self,
        clock: Clock,
        observations: Observations,
        takeover: Takeover,
        pipelines: PipelineQueue,
        builder: TransitionBuilder,
        outbox: RecordOutbox,
        waiting: WaitTimer,
        *,
        needs_candidates: bool = False,
    ) -> None:
        self.policy_version = ""
        self.labels: deque[EpisodeLabel] = deque()
        self._clock, self._observations, self._takeover = clock, observations, takeover
        self._pipelines, self._builder, self._outbox = pipelines, builder, outbox
        self._waiting, self._needs_candidates = waiting, needs_candidates

    @property
    def awaits_segment(self) -> bool:
        """Whether a label of the episode may bind to a segment that is on its way."""
        return self._builder.is_labelled and self._takeover.is_on_its_way

    def chunk(self, pipeline: ChunkPipeline, end: ChunkOutcome) -> None:
        """The outcome of a chunk on the arm."""
        number = self._builder.next_chunk
        self._outbox.put(self._builder.ended(end))
        if not self._builder.wants(number):
            pipeline.apply(Event.VOID)
            return
        pipeline.executed(end, self._clock.now_s(), number)
        self._takeover.continues(pipeline)

    def splice(self) -> None:
        """Where a chunk has continued another one, what it was decided on is what came of that."""
        for follower in self._pipelines.spliced():
            before, chunk = follower.continues, follower.chunk
            assert chunk is not None, "BEGUN without a chunk"
            if before is None or before.state in ON_THE_ARM:
                continue
            follower.continues = None
            if before.state in (State.ENDED, State.SEEN):
                before.encoded(chunk.reply.features)
                self._outbox.put(self._builder.seen_next(chunk.reply.features, before.number))

    def take_segments(self) -> None:
        """Takes what a person drove of the episode that is joined."""
        builder = self._builder
        while (end := self._takeover.take(builder.episode)) is not None:
            if builder.is_open or builder.is_labelled:
                self._take(end)
        progress, until_ns = self._takeover.is_in_progress, self._takeover.ended_ns
        self._outbox.put(builder.person_drives(in_progress=progress, until_ns=until_ns))

    def _take(self, end: ChunkOutcome) -> None:
        now_s, before = self._clock.now_s(), self._takeover.before(end)
        start = self._takeover.start_of(end, now_s)
        self._outbox.put(self._builder.driven(end))
        number = self._builder.next_chunk - 1
        if start is None:
            self._outbox.put(self._builder.without_features(number))
            self._takeover.continues(None)
        elif self._builder.wants(number):
            segment = ChunkPipeline(0, start, State.DRIVEN, None, end, now_s, number=number)
            self._pipelines.driven(segment)
            self._takeover.continues(segment)
            if before is not None and before.after_features is not None:
                self._follow(segment, before.after_features, before.after_candidates)

    def observe(self) -> None:
        """Keeps the observation after what moved the arm: a reset may come before it is needed."""
        for ended in self._pipelines.lacking_features():
            if ended.after is not None or ended.outcome is None:
                continue
            after = self._seen_after(ended, ended.outcome)
            if isinstance(after, Assembled):
                ended.observed(after)
            elif self._pipelines.is_continued(ended):
                # Until that one has begun, or is dropped, nobody knows which observation counts.
                continue
            elif after is None or self._waiting.is_overdue(subject_of(ended)):
                ended.apply(Event.MISSED)
                self._outbox.put(self._builder.without_features(ended.number))

    def _seen_after(self, ended: ChunkPipeline, end: ChunkOutcome) -> Assembled | NotReady | None:
        """The observation after its last step; None where it will not come any more."""
        if end.origin is Origin.POLICY:
            moved_on = self._observations.has_moved_on(ended.ended_s)
            return None if moved_on else self._observations.newest()
        return self._observations.at(end.arm_state_sequence, ended.ended_s)

    def encoded(
        self,
        pipeline: ChunkPipeline | None,
        features: FloatArray,
        candidates: Candidates | None = None,
    ) -> None:
        """Features arrived: of the observation before what a person drove, or after anything.

        Args:
            pipeline: What lacks them; None where nothing does.
            features: Shape (features_dim,).
            candidates: Of the same observation, where they were asked for.
        """
        if pipeline is None:
            return
        if pipeline.state is State.DRIVEN:
            self._place(pipeline, features, candidates)
        elif pipeline.state is State.SEEN:
            pipeline.encoded(features, candidates)
            self._outbox.put(self._builder.seen_next(features, pipeline.number))
            follower = self._pipelines.after(pipeline)
            if follower is not None:
                self._follow(follower, features, candidates)

    def _follow(
        self, segment: ChunkPipeline, features: FloatArray, candidates: Candidates | None
    ) -> None:
        """What was seen after one thing was seen before a segment.

        Where candidates are missing, because the features came with a chunk that was dropped, the
        segment stays DRIVEN, and is asked for.
        """
        if candidates is not None or not self._needs_candidates:
            self._place(segment, features, candidates)

    def _place(
        self, segment: ChunkPipeline, features: FloatArray, candidates: Candidates | None
    ) -> None:
        segment.placed()
        seen, policy = segment.observation, self.policy_version
        self._outbox.put(self._builder.placed(segment.number, seen, features, policy, candidates))

    def apply_labels(self) -> None:
        """Applies labels one by one: each may revise what the journal must hold by then."""
        while self.labels and self._outbox.is_empty:
            self._outbox.put(self._builder.labelled(self.labels.popleft()))
        for pipeline in self._pipelines.lacking_features():
            if not self._builder.wants(pipeline.number):
                pipeline.apply(Event.VOID)
