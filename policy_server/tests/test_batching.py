"""When a batch begins; all times are the test's."""

import numpy as np
import pytest

from tmrl_common.messages import Act
from tmrl_common.protocol import Admitted
from tmrl_common.types import Observation, SteeringLimits, SteeringSource
from tmrl_policy_server.batching import BatchWindow

NOTHING = np.zeros(0, np.float32)
ACT = Act(
    Observation(NOTHING, NOTHING),
    SteeringLimits(sigma_cap=1.0, z_cap=1.0, epsilon_cap=1.0),
    SteeringSource.BASE,
    None,
    0,
)


def asked(peer, at_s):
    return Admitted(peer, 1, ACT, at_s)


@pytest.fixture
def window():
    window = BatchWindow(window_s=0.01, largest=3)
    window.note_pass(1.0)
    return window


def test_one_robot_never_waits(window):
    for at_s in (0.0, 1.0, 2.0):
        assert window.begins_at_s([asked(b"a", at_s)], at_s) == at_s


def test_a_second_robot_is_waited_for_no_longer_than_the_window(window):
    window.begins_at_s([asked(b"a", 0.0)], 0.0)
    window.begins_at_s([asked(b"b", 0.5)], 0.5)
    assert window.begins_at_s([asked(b"a", 1.0)], 1.004) == pytest.approx(1.01)
    both = [asked(b"a", 1.0), asked(b"b", 1.005)]
    assert window.begins_at_s(both, 1.005) == 1.005


def test_the_oldest_request_sets_the_end_of_the_window(window):
    window.begins_at_s([asked(peer, 0.0) for peer in (b"a", b"b", b"c")], 0.0)
    waiting = [asked(b"b", 1.006), asked(b"a", 1.0)]
    assert window.begins_at_s(waiting, 1.007) == pytest.approx(1.01)


def test_a_full_batch_begins_although_more_robots_are_there(window):
    window.begins_at_s([asked(peer, 0.0) for peer in (b"a", b"b", b"c", b"d")], 0.0)
    three = [asked(peer, 1.0) for peer in (b"a", b"b", b"c")]
    assert window.begins_at_s(three, 1.0) == 1.0


def test_a_robot_that_stopped_asking_is_not_waited_for(window):
    window.begins_at_s([asked(b"a", 0.0), asked(b"b", 0.0)], 0.0)
    assert window.begins_at_s([asked(b"a", 60.0)], 60.0) == 60.0


def test_a_quick_policy_does_not_wait_longer_than_it_pays(window):
    window.begins_at_s([asked(b"a", 0.0), asked(b"b", 0.0)], 0.0)
    window.note_pass(0.02)
    assert window.begins_at_s([asked(b"a", 1.0)], 1.0) == pytest.approx(1.005)
    window.note_pass(0.002)
    assert window.begins_at_s([asked(b"a", 2.0)], 2.0) == 2.0
