"""A failure in a thread reaches whoever looks after it."""

import pytest

from tmrl_common.checked_thread import CheckedThread


def test_what_ended_the_work_is_raised_by_each_check() -> None:
    def fail() -> None:
        raise RuntimeError("the disk is gone")

    thread = CheckedThread(fail, "work")
    thread.check()
    thread.start()
    thread.join()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the disk is gone"):
            thread.check()


def test_work_that_ends_by_itself_is_no_failure() -> None:
    done: list[bool] = []
    thread = CheckedThread(lambda: done.append(True), "work")
    thread.join()
    assert done == []
    thread.start()
    thread.join()
    thread.check()
    assert done == [True]
