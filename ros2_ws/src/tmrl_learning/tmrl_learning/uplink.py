"""Decides what of the journal goes to a learner on another machine, and when.

The learner asks, the journal answers, and in between is one door of the policy server
(`tmrl_common.protocol.desk`). What was offered and not taken is not remembered: the learner asks
again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_common.clock import Clock
from tmrl_common.desk_messages import Offer, Wanted
from tmrl_common.parcels import pack
from tmrl_common.transitions import Transition
from tmrl_learning.ingestion import Fetch
from tmrl_learning.pace import Pace

_ANSWER_S = 5.0
"""Longest wait for the journal: an agent that died in between never answers."""
_NOTHING: NDArray[np.uint8] = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class LearnerReport:
    """What the learner reported of itself.

    Attributes:
        content: A JSON object in UTF-8.
        age_s: Time since that report.
    """

    content: bytes
    age_s: float


class Uplink:
    """One stream's way out; every method is called by one thread.

    Args:
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.
        sender: Identifies the life of this process.
        clock: Steady clock.

    Attributes:
        report: The newest of the learner; None before the first.
    """

    def __init__(self, robot: str, session: str, sender: str, clock: Clock) -> None:
        self.report: LearnerReport | None = None
        self._names = (robot, session, sender)
        self._clock = clock
        self._announced = 0
        self._fetched_from: int | None = None
        self._asked_s = 0.0
        self._answer: tuple[int, int, NDArray[np.uint8]] = (0, 0, _NOTHING)
        self._pace = Pace(clock)

    @property
    def is_due(self) -> bool:
        """Whether the next offer is to be made."""
        return self._pace.is_due

    def announced(self, sequence: int) -> None:
        """The journal is said to hold this number."""
        if sequence > self._announced:
            self._announced = sequence
            self._pace.changed()

    def offer(self) -> Offer:
        """What to tell the server now; its rows travel once, unless they are asked for again."""
        (first, last_sequence, rows), self._answer = self._answer, (0, 0, _NOTHING)
        return Offer(*self._names, self._announced, first, last_sequence, rows)

    def wanted(self, answer: Wanted) -> list[Fetch]:
        """The server answered: what the learner wants, and how it stands."""
        content = answer.report.tobytes()
        if content != (self.report.content if self.report else b""):
            self._pace.changed()
        if content:
            self.report = LearnerReport(content, answer.age_s)
        self._pace.answered()
        now_s = self._clock.now_s()
        waits = self._fetched_from is not None and now_s - self._asked_s < _ANSWER_S
        if not answer.first or answer.first > self._announced or waits:
            return []
        self._fetched_from, self._asked_s = answer.first, now_s
        return [Fetch(answer.first)]

    def unanswered(self) -> None:
        """The server did not answer; after a pause it is asked again."""
        self._pace.unanswered()

    def fetched(self, rows: Sequence[Transition], last_sequence: int) -> None:
        """The journal answered.

        Args:
            rows: From the number asked for on, ascending.
            last_sequence: Highest number that the journal ever gave to a transition.
        """
        first, self._fetched_from = self._fetched_from, None
        if first is not None:
            self._answer = (first, last_sequence, pack(rows))
            self._pace.changed()

    def no_journal(self) -> None:
        """There is no journal to ask; the learner's next wish tries again."""
        self._fetched_from = None
