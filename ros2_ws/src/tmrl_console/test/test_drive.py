"""Driving with keys: one person, only while the switch is held and heard, never too fast."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_console.drive import TICK_S, DriveLimits, Driving
from tmrl_console.keys import Action

LIMITS = DriveLimits(speed_m_s=0.05, turn_rad_s=0.3, max_silence_s=0.15)
ONE, OTHER = 1, 2


class Scene:
    """Driving, a clock, and what was sent."""

    def __init__(self, gripper=0.75):
        self.clock = FakeClock()
        self.driving = Driving(LIMITS, self.clock, lambda: gripper)
        self.sent = []

    def ticks(self, count=1, page=None, actions=()):
        for _ in range(count):
            if page is not None:
                assert self.driving.hold(page, set(actions)) == ""
            self.clock.advance(TICK_S)
            if (reading := self.driving.tick()) is not None:
                self.sent.append(reading)

    @property
    def active(self):
        return [reading.active for reading in self.sent]


def test_nothing_is_sent_while_nobody_drives():
    scene = Scene()
    scene.ticks(50)
    assert not scene.sent


def test_a_take_over_says_first_that_the_switch_was_released_and_last_that_it_is():
    scene = Scene()
    scene.ticks(10, ONE, {Action.FORWARD, Action.LEFT})
    scene.driving.release(ONE)
    scene.ticks(10)
    first, last = scene.active.index(True), len(scene.active) - scene.active[::-1].index(True)
    assert first >= 2, "one alone could be lost with its packet"
    assert len(scene.active) - last >= 2
    assert all(scene.active[first:last])
    driven = scene.sent[first]
    assert math.isclose(math.hypot(*driven.linear_m_s), LIMITS.speed_m_s)
    assert driven.linear_m_s[0] == driven.linear_m_s[1] > 0.0
    assert driven.gripper == 0.75, "a take-over must not move the gripper by itself"


def test_silence_releases_and_whoever_was_silent_must_let_go_first():
    scene = Scene()
    scene.ticks(10, ONE)
    assert scene.active[-1]
    scene.ticks(math.ceil(LIMITS.max_silence_s / TICK_S) + 1)
    assert not scene.active[-1]
    assert scene.driving.driver is None
    assert "let go" in scene.driving.hold(ONE, set())
    scene.driving.release(ONE)
    assert scene.driving.hold(ONE, set()) == ""


def test_a_second_page_is_refused_and_changes_nothing():
    scene = Scene()
    scene.ticks(5, ONE, {Action.UP})
    assert "another page drives" in scene.driving.hold(OTHER, {Action.DOWN})
    scene.ticks(1, ONE, {Action.UP})
    assert scene.sent[-1].linear_m_s[2] > 0.0
    scene.driving.release(OTHER)
    assert scene.driving.driver == ONE
    scene.driving.release(ONE)
    assert scene.driving.hold(OTHER, set()) == ""


def test_a_page_that_was_refused_does_not_slip_in_when_the_other_lets_go():
    scene = Scene()
    scene.ticks(5, ONE)
    assert scene.driving.hold(OTHER, set())
    scene.driving.release(ONE)
    assert "let go" in scene.driving.hold(OTHER, set())


def test_another_device_that_drives_and_an_unknown_arm_are_reasons():
    scene = Scene()
    assert scene.driving.hold(ONE, set(), busy="the spacemouse drives") == "the spacemouse drives"
    scene.driving.release(ONE)
    assert "no state of the arm" in Scene(gripper=None).driving.hold(ONE, set())


def test_keys_open_and_close_and_both_at_once_change_nothing():
    scene = Scene()
    scene.ticks(6, ONE, {Action.CLOSE})
    assert scene.sent[-1].gripper == 0.0
    scene.ticks(1, ONE, {Action.OPEN, Action.CLOSE})
    assert scene.sent[-1].gripper == 0.0
    scene.ticks(1, ONE, {Action.OPEN})
    assert scene.sent[-1].gripper == 1.0


@given(st.sets(st.sampled_from(list(Action))))
def test_no_keys_together_are_faster_than_the_limit(actions):
    scene = Scene()
    scene.ticks(6, ONE, actions)
    reading = scene.sent[-1]
    assert math.hypot(*reading.linear_m_s) <= LIMITS.speed_m_s * (1 + 1e-9)
    assert math.hypot(*reading.angular_rad_s) <= LIMITS.turn_rad_s * (1 + 1e-9)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.sampled_from([ONE, OTHER])),
        st.tuples(st.just("release"), st.sampled_from([ONE, OTHER])),
        st.tuples(st.just("tick"), st.integers(1, 8)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_arm_is_driven_only_by_a_page_that_was_just_heard_to_hold_its_switch(steps):
    scene = Scene()
    heard = {}
    for what, value in steps:
        if what == "hold":
            if not scene.driving.hold(value, {Action.FORWARD}):
                heard[value] = scene.clock.now_s()
        elif what == "release":
            scene.driving.release(value)
            heard.pop(value, None)
        else:
            for _ in range(value):
                before = len(scene.sent)
                scene.ticks()
                if len(scene.sent) > before and scene.sent[-1].active:
                    driver = scene.driving.driver
                    assert scene.clock.now_s() - heard[driver] <= LIMITS.max_silence_s
    # Before each take-over the controller sees the switch released.
    active = [False, *scene.active]
    rising = [i for i in range(1, len(active)) if active[i] and not active[i - 1]]
    assert all(not active[i - 1] and not active[max(0, i - 2)] for i in rising)
