"""When to teach the head, and what it suggests: the deciding part of the node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome
from tmrl_success.examples import Examples, Session
from tmrl_success.head import SuccessHead


@dataclass(frozen=True)
class Suggestion:
    """What the head holds a state for.

    Attributes:
        stamp_ns: ROS time of the state.
        success: Whether it is confident enough that the task is done.
        confidence: That it is, 0 to 1.
        detail: Where that comes from, for whoever decides.
    """

    stamp_ns: int
    success: bool
    confidence: float
    detail: str


class Suggester:
    """Keeps what the session has shown, and judges what it shows next.

    Attributes:
        head: The newest; None before there are labels enough.
    """

    def __init__(self, min_labels: int) -> None:
        """Knows nothing yet.

        Args:
            min_labels: Episodes of each kind before anything is taught.
        """
        self._min_labels = min_labels
        self._session = Session()
        self._taught_with: Mapping[int, Outcome] = {}
        self.head: SuccessHead | None = None

    @property
    def state(self) -> str:
        """What it can do, in words."""
        if self.head is None:
            outcomes = list(self._session.labelled.values())
            good = outcomes.count(Outcome.SUCCESS)
            return f"{good} successes and {len(outcomes) - good} others of {self._min_labels} each"
        if self.head.threshold is None:
            return f"not precise enough yet: {self.head.precision:.0%} of held-out episodes"
        return f"suggests: precision {self.head.precision:.0%}, recall {self.head.recall:.0%}"

    def labels(self, outcomes: dict[int, Outcome]) -> None:
        """Takes the newest label of every labelled episode."""
        self._session.label(outcomes)

    def transitions(self, new: Sequence[Transition]) -> Suggestion | None:
        """Takes transitions in order, and judges the newest one where its episode has no label."""
        for transition in new:
            self._session.add(transition)
        head = self.head
        if head is None or head.threshold is None or not new:
            return None
        newest = new[-1]
        unusable = newest.aborted or len(newest.next_features) != head.size
        if unusable or not self._session.waits_for_label(newest.episode):
            return None
        confidence = head.confidence(newest.next_features)
        ends = newest.step_ends_ns
        stamp_ns = int(ends[-1]) if len(ends) else newest.observation_stamp_ns
        detail = f"success head, right in {head.precision:.0%}"
        return Suggestion(stamp_ns, confidence >= head.threshold, confidence, detail)

    def lesson(self) -> Examples | None:
        """Returns what is to be taught now; None where nothing is new or there is too little."""
        labelled = self._session.labelled
        if labelled == self._taught_with:
            return None
        examples = self._session.examples()
        if min(examples.successes, examples.others) < self._min_labels:
            return None
        self._taught_with = labelled
        return examples
