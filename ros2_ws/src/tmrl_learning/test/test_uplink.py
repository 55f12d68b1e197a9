"""What of the journal goes out, and when, decided without ROS and without a socket."""

import json

import numpy as np
import pytest

from tmrl_common.desk_messages import Wanted
from tmrl_common.parcels import unpack
from tmrl_common.testing.fake_clock import FakeClock
from tmrl_common.testing.transition_examples import example_transition
from tmrl_learner.worker_status import WorkerStatus
from tmrl_learning.ingestion import Fetch
from tmrl_learning.messages import report_msg, report_of
from tmrl_learning.pace import BUSY_S, IDLE_S
from tmrl_learning.uplink import Uplink


class Robot:
    """An uplink and its clock."""

    def __init__(self):
        self.clock = FakeClock()
        self.uplink = Uplink("widowx", "run", "me", self.clock)

    def told(self, first, report=b"{}", age_s=0.1):
        return self.uplink.wanted(Wanted(first, np.frombuffer(report, np.uint8), age_s))


@pytest.fixture
def robot():
    return Robot()


def test_what_is_wanted_is_fetched_and_goes_out_once(robot):
    robot.uplink.announced(5)
    assert robot.uplink.offer().first == 0
    assert robot.told(3) == [Fetch(3)]
    rows = [example_transition(number) for number in (3, 4, 5)]
    robot.uplink.fetched(rows, last_sequence=5)
    offer = robot.uplink.offer()
    assert (offer.announced, offer.first, offer.last_sequence) == (5, 3, 5)
    assert [number for number, _, _ in unpack(offer.rows)] == [3, 4, 5]
    assert robot.uplink.offer().first == 0
    assert robot.told(3) == [Fetch(3)], "it was lost on its way: the learner asks again"


def test_a_row_that_is_not_there_yet_is_not_fetched(robot):
    robot.uplink.announced(5)
    assert robot.told(6) == []
    robot.uplink.announced(6)
    assert robot.told(6) == [Fetch(6)]


def test_while_the_journal_is_asked_it_is_not_asked_again_unless_it_stays_silent(robot):
    robot.uplink.announced(5)
    assert robot.told(3) == [Fetch(3)]
    assert robot.told(3) == []
    robot.clock.advance(6.0)
    assert robot.told(3) == [Fetch(3)]
    robot.uplink.no_journal()
    assert robot.told(3) == [Fetch(3)]


def test_an_answer_that_nobody_asked_for_does_not_go_out(robot):
    robot.uplink.fetched([example_transition(1)], last_sequence=1)
    assert robot.uplink.offer().first == 0


def turns(robot, duration_s):
    """How often the server is asked in a time, where nothing changes."""
    count, until_s = 0, robot.clock.now_s() + duration_s
    while robot.clock.now_s() < until_s:
        if robot.uplink.is_due:
            count += 1
            robot.told(0)
        robot.clock.advance(BUSY_S / 2)
    return count


def test_it_asks_often_while_something_happens_and_seldom_otherwise(robot):
    robot.told(0)
    robot.clock.advance(10.0)
    robot.told(0)
    assert turns(robot, 2.0) <= 2.0 / IDLE_S + 1
    robot.uplink.announced(1)
    assert turns(robot, 1.0) >= 0.5 / BUSY_S
    robot.clock.advance(10.0)
    robot.uplink.unanswered()
    assert not robot.uplink.is_due


def test_it_asks_seldom_as_long_as_no_learner_has_ever_reported(robot):
    robot.told(0, b"")
    robot.clock.advance(10.0)
    robot.told(0, b"")
    assert not robot.uplink.is_due
    robot.clock.advance(2 * BUSY_S)
    assert not robot.uplink.is_due


def test_the_newest_report_is_kept_with_its_age(robot):
    assert robot.uplink.report is None
    robot.told(0, b"")
    assert robot.uplink.report is None, "no learner has reported anything"
    robot.told(0, b'{"a": 1}', age_s=7.0)
    assert (robot.uplink.report.content, robot.uplink.report.age_s) == (b'{"a": 1}', 7.0)


def test_a_report_becomes_the_status_that_the_learner_would_have_published():
    status = WorkerStatus(phase="training", rounds=7, metrics={"critic_loss": 0.5}, reason="slow")
    message = report_msg("widowx", "run", report_of("tmrl", status, 2, ""))
    assert (message.robot, message.session, message.method) == ("widowx", "run", "tmrl")
    assert (message.phase, message.rounds, message.transitions_refused) == ("training", 7, 2)
    assert list(message.metric_names) == ["critic_loss"]
    assert message.reason == "slow"


@pytest.mark.parametrize(
    "report", [b"", b"{", b"[]", b"{}", json.dumps({"status": {"phase": 3}}).encode()]
)
def test_what_is_no_report_is_said(report):
    with pytest.raises(ValueError, match=r"\w+"):
        report_msg("widowx", "run", report)
