"""The loop on which every wait of the tests stands: it finds what hangs, not what is slow."""

import itertools

import pytest

from tmrl_common.testing.waiting import wait_until


def test_work_that_goes_ahead_is_waited_for_longer_than_the_limit() -> None:
    counted = itertools.count()
    wait_until(
        lambda: next(counted) >= 100,
        "a hundred looks",
        timeout_s=0.0,
        meanwhile=lambda: None,
        progress=lambda: next(counted),
    )


def test_what_makes_no_progress_ends_the_wait_and_is_named() -> None:
    with pytest.raises(TimeoutError, match="the arm"):
        wait_until(lambda: False, "the arm", timeout_s=0.0, meanwhile=lambda: None)
