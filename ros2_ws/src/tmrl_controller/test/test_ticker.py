"""The ticker: it ticks, it stops, and it does not hide what went wrong."""

import threading
import time

import pytest

from tmrl_controller.ticker import Ticker


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
    assert ticked_often.wait(10.0)
    ticker.stop()
    stopped_at = count
    ticker.check()
    assert count == stopped_at


def test_ticks_that_were_missed_are_counted_and_not_made_up_for():
    release, done = threading.Event(), threading.Event()
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count == 1:
            release.wait(10.0)
        else:
            done.set()

    ticker = Ticker(0.001, tick)
    ticker.start()
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < 0.02:
        release.wait(0.001)
    release.set()
    assert done.wait(10.0)
    ticker.stop()
    assert ticker.overruns > 0


def test_an_error_in_a_tick_ends_the_ticking_and_is_raised_by_the_check():
    def tick():
        raise ValueError("broken")

    ticker = Ticker(0.001, tick)
    ticker.start()
    with pytest.raises(RuntimeError, match="tick failed") as raised:
        while True:
            ticker.check()
    assert isinstance(raised.value.__cause__, ValueError)
    ticker.stop()


def test_stopping_before_starting_is_harmless():
    Ticker(0.001, lambda: None).stop()
