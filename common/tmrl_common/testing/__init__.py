"""Fakes for tests. Each says in its name that it is one; none is for a robot."""

from tmrl_common.testing.fake_clock import FakeClock

__all__ = ["FakeClock"]
