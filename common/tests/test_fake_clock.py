import pytest

from tmrl_common.clock import SteadyClock
from tmrl_common.testing import FakeClock


def test_the_fake_clock_moves_only_when_told_and_never_back():
    clock = FakeClock(5.0)
    assert clock.now_s() == clock.now_s() == 5.0
    clock.advance(0.5)
    assert clock.now_s() == 5.5
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-0.1)


def test_the_steady_clock_does_not_go_back():
    clock = SteadyClock()
    moments = [clock.now_s() for _ in range(100)]
    assert moments == sorted(moments)
