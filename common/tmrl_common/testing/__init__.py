"""Fakes for tests. Each says in its name that it is one; none is for a robot.

`fake_policy_server` is not imported here: it needs pyzmq, the rest does not.
"""

from tmrl_common.testing.fake_clock import FakeClock

__all__ = ["FakeClock"]
