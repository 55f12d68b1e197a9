"""Waiting for the listeners of a topic, without ever keeping the caller."""

import pytest

from tmrl_common.service_reply import ServiceReply
from tmrl_controller.confirmation import LONGEST_S, Confirmation
from tmrl_controller.testing import ManualClock

HELD = ServiceReply.done("holding")


class Alarm:
    """A timer that counts how often it was set, and rings when a test says so."""

    def __init__(self, period_s, ring):
        self.period_s, self.ring = period_s, ring
        self.set, self.running = 0, True

    def reset(self):
        self.set, self.running = self.set + 1, True

    def cancel(self):
        self.running = False


class Wait:
    """One wait for a confirmation, resumed as an executor would."""

    def __init__(self, reply):
        self.clock = ManualClock()
        self.confirmed = False
        self.answer = None
        confirmation = Confirmation(lambda: self.confirmed, self.make_alarm, self.clock)
        self.task = confirmation.answer(reply)

    def make_alarm(self, period_s, ring):
        self.alarm = Alarm(period_s, ring)
        return self.alarm

    def goes_on(self):
        try:
            self.task.send(None)
        except StopIteration as end:
            self.answer = end.value
        return self.answer


def test_what_everybody_has_already_is_answered_at_once():
    wait = Wait(HELD)
    wait.confirmed = True

    assert wait.goes_on() == HELD


def test_the_answer_comes_with_the_confirmation_and_not_before():
    wait = Wait(HELD)

    assert wait.goes_on() is None
    assert wait.goes_on() is None
    wait.confirmed = True
    assert wait.goes_on() == HELD


def test_after_the_longest_wait_it_is_refused_and_says_by_whom():
    wait = Wait(HELD)
    wait.goes_on()
    wait.clock.time_s += LONGEST_S

    answer = wait.goes_on()

    assert not answer.success
    assert answer.message.startswith("holding, but a listener of arm/command has not confirmed it")


def test_a_refusal_waits_for_nobody():
    refusal = ServiceReply.refused("the e-stop is latched")

    assert Wait(refusal).goes_on() == refusal


def test_the_timer_runs_only_while_somebody_waits():
    wait = Wait(HELD)
    wait.alarm.ring()
    assert not wait.alarm.running
    wait.goes_on()
    assert wait.alarm.running
    wait.alarm.ring()
    assert not wait.alarm.running
    wait.goes_on()
    assert wait.alarm.running
    assert 0.0 < wait.alarm.period_s < LONGEST_S


def test_it_reads_the_steady_clock_unless_told_otherwise():
    task = Confirmation(lambda: True, Alarm).answer(HELD)
    with pytest.raises(StopIteration) as end:
        task.send(None)
    assert end.value.value == HELD
