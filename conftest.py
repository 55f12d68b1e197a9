"""Fixtures for the tests of every package."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, not about the code.
settings.register_profile("tmrl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tmrl")


@pytest.fixture
def ros_domain_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain that no other test on this machine uses, also set for child processes."""
    import domain_coordinator

    with domain_coordinator.domain_id() as domain_id:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain_id))
        yield domain_id
