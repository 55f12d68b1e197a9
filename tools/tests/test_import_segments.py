"""Where an episode of a data set is cut, and what each segment is worth."""

import numpy as np
import pytest

from tmrl_common.types import Outcome
from tmrl_run.importing.segments import Segment, cut, rows_after_a_gap


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.SUCCESS, [(0, 3, 3, -1, False), (3, 6, 6, -1, False), (6, 7, 6, 0, True)]),
        (Outcome.TIMEOUT, [(0, 3, 3, -1, False), (3, 6, 6, -1, False)]),
        (Outcome.FAILURE, [(0, 3, 3, -1, False), (3, 6, 6, -1, False)]),
        (Outcome.ABORTED, [(0, 3, 3, -1, False)]),
        (Outcome.DISCARDED, []),
    ],
)
def test_an_episode_is_cut_as_its_outcome_asks(outcome: Outcome, expected: list[tuple]) -> None:
    assert cut(7, 3, outcome) == [Segment(*values) for values in expected]


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.ABORTED])
def test_of_one_row_nothing_is_learned_but_of_a_success(outcome: Outcome) -> None:
    assert cut(1, 3, outcome) == []
    (segment,) = cut(1, 3, Outcome.SUCCESS)
    assert (segment.end, segment.after, segment.terminated) == (1, 0, True)


def test_a_segment_ends_where_time_passed() -> None:
    begins = rows_after_a_gap(np.array([0.0, 0.2, 0.4, 3.0, 3.2, 3.4]), 5.0)
    assert [(s.first, s.end, s.after) for s in cut(6, 5, Outcome.FAILURE, begins=begins)] == [
        (0, 3, 3),
        (3, 5, 5),
    ]


def test_a_segment_in_which_nobody_drove_is_left_out() -> None:
    driver = np.array([0, 1, 2, 0, 0, 1])
    found = cut(6, 2, Outcome.SUCCESS, driver=driver)
    assert [(s.first, s.terminated) for s in found] == [(0, False), (4, True)]
