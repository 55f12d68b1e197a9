"""The search for the velocity nearest to a wall: near enough, and never longer than a tick has."""

import numpy as np
import pytest

from tmrl_controller.limiter.joints import last_allowed


@pytest.mark.parametrize("share", [0.0, 0.004, 0.3, 0.77, 0.999, 1.0])
def test_the_furthest_allowed_point_is_found(share):
    start, end = np.array([1.0, -2.0]), np.array([3.0, 6.0])

    found = last_allowed(start, end, lambda point: point[0] <= 1.0 + 2.0 * share)

    assert share - 1.0 / 256 <= (found[0] - 1.0) / 2.0 <= share
    assert found[1] == pytest.approx(-2.0 + 4.0 * (found[0] - 1.0))
    assert share < 1.0 or found.tolist() == end.tolist()


def test_it_asks_nine_times_at_most():
    asked = []

    def allowed(point):
        asked.append(point)
        return False

    found = last_allowed(np.zeros(2), np.ones(2), allowed)

    assert found.tolist() == [0.0, 0.0]
    assert len(asked) == 9
