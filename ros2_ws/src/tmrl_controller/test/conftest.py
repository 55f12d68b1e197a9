"""Fixtures for the tests of the controller."""

import pytest

from tmrl_controller.testing import HardwareScene


@pytest.fixture
def scene():
    """A controller on hardware that was resumed."""
    scene = HardwareScene()
    assert scene.core.resume().success
    return scene
