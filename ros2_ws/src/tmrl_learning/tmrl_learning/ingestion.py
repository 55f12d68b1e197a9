"""Decides what to ask the journal for, and what of its answers the learner gets.

The journal on the robot's machine is the authority: a message on replay/transitions, or the agent's
status, only announces that there is something to fetch. A forged, doubled or malformed message thus
costs one question at most, and never the transition whose number it bears.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tmrl_common.clock import Clock
from tmrl_common.transitions import Transition

FETCH_COUNT = 256
_ANSWER_S = 5.0
"""Longest wait for an answer: an agent that died in between never gives one."""


@dataclass(frozen=True)
class Fetch:
    """Ask the journal for transitions from `first_sequence` on."""

    first_sequence: int


@dataclass(frozen=True)
class Take:
    """Hand a transition to the learner."""

    transition: Transition


@dataclass(frozen=True)
class GiveUp:
    """Let the learner wait no longer for the numbers from `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True)
class Complain:
    """Log a sentence."""

    sentence: str


@dataclass(frozen=True)
class Row:
    """One transition of a message, or of the journal's answer.

    Attributes:
        sequence: Its number.
        transition: None where it cannot be used.
        problem: Why not.
    """

    sequence: int
    transition: Transition | None
    problem: str = ""


Effect = Fetch | Take | GiveUp | Complain


class Ingestion:
    """Brings one session of one arm from its journal to the learner, in order and without gaps.

    Args:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        clock: Steady clock.

    Attributes:
        refused: Messages and rows that were not used.
        reason: What is wrong with the journal; empty while nothing is.
    """

    def __init__(self, robot: str, session: str, clock: Clock) -> None:
        self.refused = 0
        self.reason = ""
        self._stream = (robot, session)
        self._clock = clock
        self._next: int | None = None
        self._has = 0
        self._announced = 0
        self._asked_s: float | None = None

    def on_ready(self, contiguous: int) -> list[Effect]:
        """The learner has read its checkpoint, which holds every number up to `contiguous`."""
        if self._next is None:
            self._next, self._has = contiguous + 1, contiguous
        return self._ask()

    def on_announced(self, sequence: int) -> list[Effect]:
        """The journal is said to hold this number."""
        self._announced = max(self._announced, sequence)
        return self._ask()

    def on_message(self, row: Row) -> list[Effect]:
        """A message came on replay/transitions; those of other sessions are passed over."""
        transition = row.transition
        if transition is None:
            self.refused += 1
            return [Complain(f"refused a message on replay/transitions: {row.problem}")]
        is_ours = (transition.robot, transition.session) == self._stream
        return self.on_announced(row.sequence) if is_ours else []

    def on_fetched(self, rows: Sequence[Row], last_sequence: int) -> list[Effect]:
        """The journal answered.

        Args:
            rows: From the number asked for on, ascending.
            last_sequence: Highest number that the journal ever gave to a transition.
        """
        self._asked_s = None
        effects: list[Effect] = []
        self._look_at_end(last_sequence)
        for row in rows:
            effects += self._row(row)
        if not rows:
            effects += self._lost_before(last_sequence + 1)
            self._announced = min(self._announced, last_sequence)
        return effects + self._ask()

    def on_tick(self) -> list[Effect]:
        """Time passed: a question without an answer is put again."""
        if self._asked_s is not None and self._clock.now_s() - self._asked_s > _ANSWER_S:
            self._asked_s = None
        return self._ask()

    def on_unanswered(self) -> list[Effect]:
        """There is no journal to ask; the next tick tries again."""
        self._asked_s = None
        return []

    def _ask(self) -> list[Effect]:
        if self._next is None or self._asked_s is not None or self._announced < self._next:
            return []
        self._asked_s = self._clock.now_s()
        return [Fetch(self._next)]

    def _row(self, row: Row) -> list[Effect]:
        effects = self._lost_before(row.sequence)
        if self._next != row.sequence:
            return effects
        self._next = row.sequence + 1
        transition = row.transition
        if transition is not None and (transition.robot, transition.session) == self._stream:
            return [*effects, Take(transition)]
        self.refused += 1
        problem = row.problem or f"{'/'.join(self._stream)} is the session learned from"
        refusal = f"refused transition {row.sequence} of the journal: {problem}"
        return [*effects, GiveUp(row.sequence, row.sequence), Complain(refusal)]

    def _lost_before(self, sequence: int) -> list[Effect]:
        """What the journal has no longer: it gives a number only once."""
        if self._next is None or sequence <= self._next:
            return []
        first, self._next = self._next, sequence
        return [GiveUp(first, sequence - 1)]

    def _look_at_end(self, last_sequence: int) -> None:
        self.reason = ""
        if last_sequence < self._has:
            self.reason = (
                f"the journal ends at transition {last_sequence}, this learner's checkpoint knows "
                f"{self._has}: rows are missing, and new ones under their numbers are not learned "
                "from; restore journal.sqlite together with its -wal file, or start a new run "
                "directory"
            )
