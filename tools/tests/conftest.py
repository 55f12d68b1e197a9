"""Fixtures of the tests of `./tmrl import`, which need the built ROS workspace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tmrl_common.testing.fake_policy_server import FakePolicyServer


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The data set of a small run."""
    from .small_import import exported_run

    return exported_run(tmp_path)


@pytest.fixture
def server() -> Iterator[FakePolicyServer]:
    """A policy server that fits the run."""
    from .small_import import SPEC

    with FakePolicyServer(SPEC) as fake:
        yield fake
