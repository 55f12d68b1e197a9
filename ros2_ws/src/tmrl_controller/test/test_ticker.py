"""The ticker: it ticks, it stops, and it does not hide what went wrong."""

import threading
import time

import pytest

from tmrl_controller.ticker import Lateness, Ticker


def test_it_ticks_until_it_is_stopped():
    ticked_often = threading.Event()
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count >= 5:
            ticked_often.set()

    ticker = Ticker(0.001, tick)
    ticker.start()
    assert ticked_often.wait(60.0)
    ticker.stop()
    stopped_at = count
    assert ticker.problem == ""
    assert count == stopped_at


def test_ticks_that_were_missed_are_counted_and_not_made_up_for():
    release, done = threading.Event(), threading.Event()
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count == 1:
            release.wait(60.0)
        else:
            done.set()

    ticker = Ticker(0.001, tick)
    ticker.start()
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < 0.02:
        release.wait(0.001)
    release.set()
    assert done.wait(60.0)
    ticker.stop()
    assert ticker.overruns > 0


def test_an_error_in_a_tick_is_a_problem_and_the_next_tick_comes_all_the_same():
    ticked_on = threading.Event()
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count == 3:
            ticked_on.set()
        raise ValueError("broken")

    ticker = Ticker(0.001, tick)
    assert ticker.problem == ""
    ticker.start()
    assert ticked_on.wait(60.0)
    ticker.stop()
    assert ticker.failures == count
    assert "ValueError('broken')" in ticker.problem


def test_stopping_before_starting_is_harmless():
    Ticker(0.001, lambda: None).stop()


def test_how_late_each_tick_was_is_remembered():
    lateness = Lateness(remembered=3)
    assert lateness.percentile_ms(99.0) == 0.0

    for late_s in (0.5, 0.001, 0.002, 0.003):
        lateness.record(late_s)

    assert lateness.count == 4
    assert sorted(lateness.recent_s()) == [0.001, 0.002, 0.003]
    assert lateness.percentile_ms(100.0) == pytest.approx(3.0)
    assert lateness.percentile_ms(50.0) == pytest.approx(2.0)


def test_a_tick_that_was_left_out_counts_as_late():
    clock_held, done = threading.Event(), threading.Event()

    def tick():
        if ticker.lateness.count == 1:
            clock_held.wait(0.05)
        elif ticker.lateness.count > 10:
            done.set()

    ticker = Ticker(0.001, tick)
    ticker.start()
    assert done.wait(60.0)
    ticker.stop()

    assert ticker.lateness.percentile_ms(100.0) >= 40.0
    assert ticker.lateness.count >= ticker.overruns


def test_what_the_system_allowed_is_said():
    ticked = threading.Event()
    ticker = Ticker(0.001, ticked.set, fifo_priority=1)
    ticker.start()
    assert ticked.wait(60.0)
    ticker.stop()

    assert ticker.scheduling == "SCHED_FIFO 1" or "limits.conf" in ticker.scheduling
