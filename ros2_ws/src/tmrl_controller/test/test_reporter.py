"""The log of a flood: one line per kind, and how many were left out."""

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_common.testing import FakeClock
from tmrl_controller.reporter import Throttle


def test_of_a_flood_one_line_per_kind_and_period_is_logged():
    clock = FakeClock(start_s=50.0)
    throttle = Throttle(5.0, clock)

    lines = [throttle.line("too_old", f"chunk {number}") for number in range(1000)]
    assert [line for line in lines if line] == ["chunk 0"]
    assert throttle.line("z_above_cap", "another kind") == "another kind"

    clock.advance(5.0)
    assert throttle.line("too_old", "later") == "later (999 more of this kind since the last line)"
    assert throttle.line("too_old", "and again") == ""
