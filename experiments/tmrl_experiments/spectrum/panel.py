"""What the page shows of one task: the table from above and, per sigma, rollouts on it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

SIGMAS = tuple(i / 10 for i in range(11))
"""Context times of the slider; 0 conditions exactly, 1 is the marginal."""

_MM_PER_M = 1000.0


@dataclass(frozen=True)
class Mark:
    """Something that lies on the table for orientation.

    Attributes:
        label: As written beside it.
        centre_m: x and y in the base frame [m].
        size_m: Its sides along x and y [m]; it is drawn as a rectangle.
    """

    label: str
    centre_m: tuple[float, float]
    size_m: tuple[float, float]


@dataclass(frozen=True)
class Rollout:
    """One episode of the frozen policy.

    Attributes:
        path_m: x and y of the tool over the episode, base frame, shape (T, 2) [m].
        outcome: One of the panel's outcomes.
    """

    path_m: NDArray[Any]
    outcome: str


@dataclass(frozen=True)
class Panel:
    """One task and what the policy does in it at each sigma.

    Attributes:
        title: Of the task.
        context: What the noise corrupts, in words.
        low_m: Corner of the drawn area with the smallest x and y, base frame [m].
        high_m: The opposite corner [m].
        marks: What lies there at the start.
        outcomes: Names of what can become of an episode, the wanted one first.
        rollouts: Sigma to its episodes. The i-th of each sigma differ in nothing but sigma: start
            and every draw of noise are the same.
    """

    title: str
    context: str
    low_m: tuple[float, float]
    high_m: tuple[float, float]
    marks: Sequence[Mark]
    outcomes: Sequence[str]
    rollouts: Mapping[float, Sequence[Rollout]]

    def as_json(self) -> dict[str, Any]:
        """Plain values for the page; paths in whole millimetres, which is finer than a pixel."""
        return {
            "title": self.title,
            "context": self.context,
            "low": self.low_m,
            "high": self.high_m,
            "marks": [asdict(mark) for mark in self.marks],
            "outcomes": list(self.outcomes),
            "sigmas": list(self.rollouts),
            "rollouts": [
                [
                    {
                        "path": (_MM_PER_M * rollout.path_m).round().astype(int).ravel().tolist(),
                        "outcome": self.outcomes.index(rollout.outcome),
                    }
                    for rollout in episodes
                ]
                for episodes in self.rollouts.values()
            ],
        }
