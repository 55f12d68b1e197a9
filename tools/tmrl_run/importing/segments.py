"""Where an episode is cut into segments as long as chunks, and what each of them is worth.

A row of a data set is an observation and the action that followed it. What came after the last
action nobody saw: a success needs nothing after it, and every other episode ends with the
observation of its last row, whose action is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import Driver
from tmrl_common.types import Outcome

_GAP_PERIODS = 1.5
"""Rows that are further apart than this do not follow each other."""


@dataclass(frozen=True)
class Segment:
    """One segment of an episode.

    Attributes:
        first: Row of its first action, and of the observation at its start.
        end: One past the row of its last action.
        after: Row of the observation after it.
        reward: -1; 0 where it ends a success.
        terminated: Whether it ends a success.
    """

    first: int
    end: int
    after: int
    reward: float
    terminated: bool


def cut(
    rows: int,
    execute_steps: int,
    outcome: Outcome,
    *,
    begins: Sequence[int] = (),
    driver: NDArray[np.int64] | None = None,
) -> list[Segment]:
    """Cuts an episode as the controller cuts what a person drives.

    Args:
        rows: Of the episode.
        execute_steps: Longest segment.
        outcome: How the episode ended. A discarded one has no segments; the last segment of an
            aborted one is left out, as nobody vouches for the state in which it ended.
        begins: Further rows with which a segment begins, because time passed before them.
        driver: Who commanded each row, a `tmrl_common.chunks.Driver`; a segment in which nobody
            did is left out. None where it is not known.
    """
    if outcome is Outcome.DISCARDED:
        return []
    succeeded = outcome is Outcome.SUCCESS
    driven = rows if succeeded else rows - 1
    segments: list[Segment] = []
    first = 0
    while first < driven:
        nearest = min((row for row in begins if row > first), default=driven)
        end = min(first + execute_steps, nearest, driven)
        ends_it = succeeded and end == driven
        reward = 0.0 if ends_it else -1.0
        segments.append(Segment(first, end, min(end, rows - 1), reward, ends_it))
        first = end
    if outcome is Outcome.ABORTED:
        segments = segments[:-1]
    if driver is None:
        return segments
    return [each for each in segments if (driver[each.first : each.end] != Driver.NONE).all()]


def rows_after_a_gap(stamp_s: NDArray[np.float64], rate_hz: float) -> list[int]:
    """Returns the rows before which time passed in which nothing was executed.

    Args:
        stamp_s: Time at which each row begins, shape (N,).
        rate_hz: Rows per second.
    """
    return (np.flatnonzero(np.diff(stamp_s) > _GAP_PERIODS / rate_hz) + 1).tolist()
