"""What a session achieved, episode by episode: plain data and the figures drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tmrl_common.types import Outcome

WINDOW = 20
"""Episodes over which the running success rate is taken, as in the figures of the README."""


@dataclass
class EpisodeRecord:
    """One finished or running episode.

    Attributes:
        number: Counts from 1.
        outcome: Its newest label; PENDING while it runs.
        detail: What the label says in words, for example which object lies in the pot.
        steps: Executed control periods.
        sigmas: Context timestep of each chunk, in order.
    """

    number: int
    outcome: Outcome = Outcome.PENDING
    detail: str = ""
    steps: int = 0
    sigmas: list[float] = field(default_factory=lambda: list[float]())


def successes(episodes: Sequence[EpisodeRecord]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """1 for each episode that succeeded, else 0; those that do not count are left out."""
    return np.array([float(e.outcome is Outcome.SUCCESS) for e in episodes if e.outcome.counts])


def success_over_window(episodes: Sequence[EpisodeRecord], window: int = WINDOW) -> list[float]:
    """Success rate over the last `window` episodes, after each episode that counts.

    The first `window - 1` values are taken over the episodes that there are.
    """
    values = successes(episodes)
    return [float(values[max(0, i + 1 - window) : i + 1].mean()) for i in range(len(values))]


def episodes_to(episodes: Sequence[EpisodeRecord], rate: float, window: int = WINDOW) -> int | None:
    """Episodes until the success rate over a full window first reached `rate`; None if never.

    Those that do not count are left out, as they are of the rate.
    """
    for index, value in enumerate(success_over_window(episodes, window), start=1):
        if index >= window and value >= rate - 1e-9:
            return index
    return None


def sigma_mean(episodes: Sequence[EpisodeRecord]) -> float | None:
    """Mean context timestep over all chunks of some episodes; None where there is no chunk."""
    sigmas = [sigma for episode in episodes for sigma in episode.sigmas]
    return float(np.mean(sigmas)) if sigmas else None
