"""The dead-man switch: when a person's device may drive."""

import pytest

from tmrl_controller.teleop import DeadManSwitch
from tmrl_controller.testing import teleop_command

PRESSED, RELEASED = teleop_command(), teleop_command(active=False)


@pytest.fixture
def switch():
    """One that a person holds released."""
    switch = DeadManSwitch(max_age_s=0.25)
    switch.receive(RELEASED, 0.0)
    return switch


def test_without_a_reading_nobody_drives():
    switch = DeadManSwitch(max_age_s=0.25)
    assert not switch.wants_control(0.0)
    assert switch.device == ""
    with pytest.raises(RuntimeError, match="no teleop reading"):
        _ = switch.reading


def test_a_fresh_pressed_device_drives_and_a_stale_one_does_not(switch):
    switch.receive(PRESSED, 1.0)

    assert switch.wants_control(1.25)
    assert not switch.wants_control(1.26)
    assert not switch.wants_control(0.9), "a reading from the future is no reading"


def test_a_device_that_is_pressed_when_it_is_first_heard_of_has_to_be_released():
    switch = DeadManSwitch(max_age_s=0.25)
    switch.lock()
    switch.receive(PRESSED, 1.0)
    assert not switch.wants_control(1.0)
    switch.receive(PRESSED, 9.0)
    assert not switch.wants_control(9.0), "silence is no release"

    switch.receive(RELEASED, 9.1)
    assert not switch.wants_control(9.1)
    switch.receive(PRESSED, 9.2)
    assert switch.wants_control(9.2)


def test_after_a_stop_a_device_that_is_still_pressed_has_to_be_released(switch):
    switch.receive(PRESSED, 1.0)
    switch.lock()
    switch.receive(PRESSED, 1.1)
    assert not switch.wants_control(1.1)

    switch.receive(RELEASED, 1.2)
    switch.receive(PRESSED, 1.3)
    assert switch.wants_control(1.3)


def test_after_a_stop_silence_is_no_release(switch):
    switch.receive(PRESSED, 1.0)
    switch.lock()
    switch.receive(PRESSED, 1.5)

    assert not switch.wants_control(1.5), "it may have been held down all the while"


def test_a_device_that_was_not_pressed_at_the_stop_drives_at_once(switch):
    switch.receive(RELEASED, 1.0)
    switch.lock()
    switch.receive(PRESSED, 1.1)

    assert switch.wants_control(1.1)


def test_a_device_that_lies_idle_takes_the_arm_from_nobody(switch):
    idle = teleop_command(active=False, device="idle")
    switch.receive(PRESSED, 1.0)
    switch.receive(idle, 1.1)

    assert switch.wants_control(1.1)
    assert switch.device == PRESSED.device


def test_one_drives_until_it_lets_go_and_the_other_is_turned_away_once(switch):
    other = teleop_command(device="other")
    switch.receive(teleop_command(active=False, device="other"), 0.1)
    switch.receive(PRESSED, 1.0)
    switch.receive(other, 1.1)
    assert switch.device == PRESSED.device
    assert "one must let go first" in switch.first_word_of_another(other, 1.1)
    assert switch.first_word_of_another(other, 1.1) == ""

    switch.receive(RELEASED, 1.2)
    switch.receive(other, 1.2)
    assert switch.wants_control(1.2)
    assert switch.device == "other"


def test_a_device_that_lies_idle_unlocks_no_other(switch):
    switch.receive(PRESSED, 1.0)
    switch.lock()
    switch.receive(teleop_command(active=False, device="idle"), 1.1)
    switch.receive(PRESSED, 1.2)

    assert not switch.wants_control(1.2), "it was held down over the stop"
