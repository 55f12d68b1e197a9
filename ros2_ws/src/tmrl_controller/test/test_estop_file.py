"""The e-stop outlives the process: whoever restarts it finds it latched."""

import os

import pytest

from tmrl_common.chunks import ControllerMode
from tmrl_controller.decisions import ControllerStatus
from tmrl_controller.estop_file import EstopFile
from tmrl_controller.testing import CONFIG

PRESSED = ControllerStatus(ControllerMode.ESTOP, "smoke", CONFIG.steering_limits)
CLEARED = ControllerStatus(ControllerMode.HOLD, "e-stop cleared by Ada", CONFIG.steering_limits)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "estop"


def test_a_latched_estop_is_found_by_the_next_process(path):
    assert EstopFile(str(path)).read() == ""

    assert EstopFile(str(path)).follow(PRESSED) == ""

    assert EstopFile(str(path)).read() == "smoke"


def test_a_cleared_one_is_not(path):
    file = EstopFile(str(path))
    file.follow(PRESSED)
    assert file.follow(CLEARED) == ""

    assert EstopFile(str(path)).read() == ""


def test_cleared_by_the_next_process_it_is_gone_as_well(path):
    EstopFile(str(path)).follow(PRESSED)
    following = EstopFile(str(path))
    following.read()
    following.follow(CLEARED)

    assert EstopFile(str(path)).read() == ""


def test_what_cannot_be_read_counts_as_latched(path):
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\xff")
    assert "cannot be read" in EstopFile(str(path)).read()
    path.write_text("")
    assert "before the restart" in EstopFile(str(path)).read()


def test_a_disk_that_refuses_is_told_and_tried_again(path, monkeypatch):
    file = EstopFile(str(path))

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left on device" in file.follow(PRESSED)
        assert EstopFile(str(path)).read() == ""
    assert file.follow(PRESSED) == ""
    assert EstopFile(str(path)).read() == "smoke"


def test_without_a_file_nothing_is_remembered():
    file = EstopFile("")

    assert file.follow(PRESSED) == ""
    assert file.read() == ""
