"""Real-time scheduling: asked for, and where it is refused the remedy is named."""

import ctypes
import os
import resource

import pytest

from tmrl_controller.realtime import claim_real_time, lock_memory, request_fifo


def refused(*_):
    raise PermissionError(1, "Operation not permitted")


class Libc:
    """Stands in for the C library: says what it was asked and how that ends."""

    def __init__(self, result):
        self.result = result
        self.flags = None

    def mlockall(self, flags):
        self.flags = flags
        return self.result


@pytest.fixture
def granted(monkeypatch):
    """A system that allows everything, without doing any of it."""
    asked, libc = [], Libc(0)
    monkeypatch.setattr(os, "sched_setscheduler", lambda *args: asked.append(args))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_kwargs: libc)
    return asked, libc


def test_fifo_is_asked_for_the_calling_thread(granted):
    asked, _ = granted

    assert request_fifo(42) == "SCHED_FIFO 42"
    ((thread, policy, parameters),) = asked
    assert (thread, policy, parameters.sched_priority) == (0, os.SCHED_FIFO, 42)


def test_priority_zero_asks_for_nothing(granted):
    asked, libc = granted

    assert request_fifo(0) == "normal scheduling, as configured"
    assert claim_real_time(0) == "real time: not asked for"
    assert asked == []
    assert libc.flags is None


def test_a_refusal_names_the_remedy(monkeypatch):
    monkeypatch.setattr(os, "sched_setscheduler", refused)

    sentence = request_fifo(50)

    assert "Operation not permitted" in sentence
    assert "/etc/security/limits.conf" in sentence


@pytest.mark.parametrize(("priority", "callbacks"), [(50, 49), (1, 1)])
def test_the_callbacks_run_one_below_the_tick_and_memory_is_locked(granted, priority, callbacks):
    _, libc = granted

    sentence = claim_real_time(priority)

    assert sentence == f"real time: callbacks SCHED_FIFO {callbacks}; memory locked"
    assert libc.flags == 1 | 2 | 4


def test_memory_is_left_alone_where_only_a_part_could_be_locked(granted, monkeypatch):
    _, libc = granted
    monkeypatch.setattr(resource, "setrlimit", refused)

    assert "memory not locked" in lock_memory()
    assert libc.flags is None


def test_a_refused_lock_names_the_remedy(granted):
    _, libc = granted
    libc.result = -1

    assert "memlock" in lock_memory()
