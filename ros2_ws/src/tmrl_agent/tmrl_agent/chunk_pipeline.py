"""The life of one chunk, from the request for it to its record, as a table of transitions.

A segment of a person's driving takes the place of a chunk. It begins as DRIVEN, for it is known
only when it is over, and continues as a chunk that has ENDED.

    ASKED      the policy server was asked for it
    DRIVEN     no chunk but what a person drove; the features at its start are not known yet
    SENT       it was published; the controller has not reported its first step
    RUNNING    the controller executes it
    ENDED      it moved the arm; what the policy would see next is not known yet
    SEEN       the observation after its last step is kept; its features are not known yet
    RECORDED   it was handed over as part of a transition
    DROPPED    nothing of it becomes a transition

Two rules hold. Whatever the table does not list is a fault of this program and raises. And only
beside a pipeline in a state of ADMITS_NEXT another one may be opened. Where chunks overlap, one
that continues a chunk may also be opened beside it while it is RUNNING (`tmrl_agent.overlap`); its
features then are what came of the chunk, as soon as it has begun.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tmrl_agent.assembly import Assembled
from tmrl_agent.events import SentChunk
from tmrl_common.candidates import Candidates
from tmrl_common.chunks import ChunkOutcome
from tmrl_common.types import FloatArray


class State(StrEnum):
    """Where a chunk is in its life."""

    ASKED = "asked"
    DRIVEN = "driven"
    SENT = "sent"
    RUNNING = "running"
    ENDED = "ended"
    SEEN = "seen"
    RECORDED = "recorded"
    DROPPED = "dropped"


class Event(StrEnum):
    """What happens to a chunk."""

    ANSWERED = "answered"
    """The policy server answered, and a chunk is still wanted."""
    UNANSWERED = "unanswered"
    """The policy server did not answer, or too late for the chunk to be wanted."""
    STARTED = "started"
    """The controller reported its first step."""
    EXECUTED = "executed"
    """Its outcome has steps that belong to the episode."""
    VOID = "void"
    """It was refused, moved nothing, or began after the end that the label gives the episode."""
    PLACED = "placed"
    """The features at the start of what a person drove are known."""
    OBSERVED = "observed"
    """The observation after its last step is kept."""
    ENCODED = "encoded"
    """The features of that observation arrived."""
    MISSED = "missed"
    """There was no such observation, or its features never came."""
    ABANDONED = "abandoned"
    """The next episode begins without its answer or outcome."""


TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.ASKED, Event.ANSWERED): State.SENT,
        (State.ASKED, Event.UNANSWERED): State.DROPPED,
        (State.ASKED, Event.ABANDONED): State.DROPPED,
        (State.DRIVEN, Event.PLACED): State.ENDED,
        (State.DRIVEN, Event.MISSED): State.RECORDED,
        (State.DRIVEN, Event.VOID): State.DROPPED,
        (State.SENT, Event.STARTED): State.RUNNING,
        (State.SENT, Event.EXECUTED): State.ENDED,
        (State.SENT, Event.VOID): State.DROPPED,
        (State.SENT, Event.ABANDONED): State.DROPPED,
        (State.RUNNING, Event.EXECUTED): State.ENDED,
        (State.RUNNING, Event.VOID): State.DROPPED,
        (State.RUNNING, Event.ABANDONED): State.DROPPED,
        (State.ENDED, Event.OBSERVED): State.SEEN,
        (State.ENDED, Event.ENCODED): State.RECORDED,
        (State.ENDED, Event.MISSED): State.RECORDED,
        (State.ENDED, Event.VOID): State.DROPPED,
        (State.SEEN, Event.ENCODED): State.RECORDED,
        (State.SEEN, Event.MISSED): State.RECORDED,
        (State.SEEN, Event.VOID): State.DROPPED,
    }
)

BEGUN = frozenset({State.RUNNING, State.ENDED, State.SEEN})
"""It moves the arm, or has moved it, and its life is not over."""
ON_THE_ARM = frozenset({State.SENT, State.RUNNING})
"""The controller owes an outcome."""
LACKS_FEATURES = frozenset({State.DRIVEN, State.ENDED, State.SEEN})
"""The transition lacks its next features."""
NEEDS_SERVER = frozenset({State.DRIVEN, State.SEEN})
"""Features of an observation that is kept are to be asked for."""
ADMITS_NEXT = frozenset({State.SEEN})
"""The next chunk may be asked for; its observation is the one after this chunk."""
OVER = frozenset({State.RECORDED, State.DROPPED})
"""Nothing happens to it any more."""


class PipelineError(RuntimeError):
    """An event that the table does not list: a fault of this program."""


@dataclass
class ChunkPipeline:
    """One chunk and everything that its transition is made of.

    Attributes:
        request: Number of the newest request for it: for the chunk, later for the features of
            `after`.
        observation: What the policy sees.
        state: Where it is in its life.
        chunk: What was published; None before SENT.
        outcome: What became of it; None before ENDED.
        ended_s: Steady time at which the outcome arrived.
        after: The observation after its last step; None before SEEN, unless it is DRIVEN.
        after_features: Its features; None before RECORDED.
        after_candidates: Candidates of that observation, where they were asked for.
        number: Of its transition within the episode; counts from 0.
        continues: The chunk that it continues without a stop, until its features are that one's
            next ones; None where the arm stood.
        was_continued: Whether one that continues it was asked for, or cannot be any more.
    """

    request: int
    observation: Assembled
    state: State = State.ASKED
    chunk: SentChunk | None = None
    outcome: ChunkOutcome | None = None
    ended_s: float = 0.0
    after: Assembled | None = None
    after_features: FloatArray | None = None
    number: int = -1
    after_candidates: Candidates | None = None
    continues: "ChunkPipeline | None" = None
    was_continued: bool = False

    @property
    def name(self) -> str:
        """How sentences name it."""
        if self.chunk is not None:
            return f"chunk {self.chunk.sequence}"
        by_hand = f"segment {self.outcome.chunk.sequence}" if self.outcome is not None else ""
        return by_hand or "the next chunk"

    def sent(self, chunk: SentChunk) -> None:
        """It is published."""
        self._apply(Event.ANSWERED)
        self.chunk = chunk

    def executed(self, outcome: ChunkOutcome, now_s: float, number: int) -> None:
        """It moved the arm.

        Args:
            outcome: What became of it.
            now_s: Steady time.
            number: Of its transition within the episode.
        """
        self._apply(Event.EXECUTED)
        self.outcome, self.ended_s, self.number = outcome, now_s, number

    def observed(self, after: Assembled) -> None:
        """The observation after its last step is there."""
        self.after = after
        if self.state is not State.DRIVEN:
            self._apply(Event.OBSERVED)

    def placed(self) -> None:
        """The features of what was seen before a person drove are known."""
        self._apply(Event.PLACED)
        if self.after is not None:
            self._apply(Event.OBSERVED)

    def encoded(self, features: FloatArray, candidates: Candidates | None = None) -> None:
        """The features of the observation after it, or of the next decision, are known.

        Args:
            features: Shape (features_dim,).
            candidates: Of that observation, where they were asked for.
        """
        self._apply(Event.ENCODED)
        self.after_features, self.after_candidates = features, candidates

    def apply(self, event: Event) -> None:
        """Takes an event that brings nothing with it.

        Raises:
            PipelineError: The table does not list it for this state.
        """
        self._apply(event)

    def leave(self) -> None:
        """The next episode begins, or the process ends: what is missing will not come any more."""
        if self.state not in OVER:
            missed = self.state in LACKS_FEATURES
            self._apply(Event.MISSED if missed else Event.ABANDONED)

    def _apply(self, event: Event) -> None:
        if (self.state, event) not in TRANSITIONS:
            raise PipelineError(f"{self.name} is {self.state}: {event} is not in the table")
        self.state = TRANSITIONS[self.state, event]
