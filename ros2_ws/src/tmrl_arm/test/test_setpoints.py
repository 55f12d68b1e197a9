"""Setpoints between the targets of a WidowX."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.setpoints import MotionLimits, SetpointStream

PERIOD_S = 0.02
LIMITS = MotionLimits(
    low_rad=np.array([-1.0, -1.0]),
    high_rad=np.array([1.0, 1.0]),
    velocity_rad_s=2.0,
    acceleration_rad_s2=10.0,
)
EPSILON = 1e-9

targets = st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)).map(np.array)
orders = st.one_of(
    st.tuples(st.just("aim"), targets, st.floats(0.01, 2.0), st.integers(1, 30)),
    st.tuples(st.just("brake"), targets, st.just(0.0), st.integers(1, 30)),
)


def stream():
    return SetpointStream(LIMITS, PERIOD_S, np.zeros(2))


def settle(led, most=1000):
    for _ in range(most):
        if led.at_rest:
            return
        led.step()
    raise AssertionError("it never comes to rest")


@given(st.lists(orders, max_size=20))
def test_no_order_breaks_a_limit(given_orders):
    led = stream()
    for kind, target_rad, arrive_in_s, steps in given_orders:
        led.brake() if kind == "brake" else led.aim(target_rad, arrive_in_s)
        for _ in range(steps):
            before_rad, before_speed = led.position_rad, led.velocity_rad_s
            after_rad = led.step()
            speed = (after_rad - before_rad) / PERIOD_S
            assert np.abs(speed).max() <= LIMITS.velocity_rad_s + 1e-6
            change = np.abs(led.velocity_rad_s - before_speed) / PERIOD_S
            assert change.max() <= LIMITS.acceleration_rad_s2 + 1e-6
            assert (after_rad >= LIMITS.low_rad - EPSILON).all()
            assert (after_rad <= LIMITS.high_rad + EPSILON).all()


@given(targets, st.floats(0.05, 3.0))
def test_it_arrives_exactly_and_without_going_beyond(target_rad, arrive_in_s):
    led = stream()
    led.aim(target_rad, arrive_in_s)
    goal_rad = np.clip(target_rad, LIMITS.low_rad, LIMITS.high_rad)
    farthest = np.zeros(2)
    for _ in range(1000):
        if led.at_rest:
            break
        farthest = np.maximum(farthest, np.abs(led.step()))
    assert led.position_rad == pytest.approx(goal_rad, abs=1e-12)
    assert (farthest <= np.abs(goal_rad) + EPSILON).all()


@given(targets, st.integers(0, 60))
def test_braking_takes_no_longer_than_the_acceleration_needs(target_rad, steps):
    led = stream()
    led.aim(target_rad, 0.3)
    for _ in range(steps):
        led.step()
    needed = np.abs(led.velocity_rad_s).max() / LIMITS.acceleration_rad_s2
    led.brake()
    for _ in range(int(np.ceil(needed / PERIOD_S - 1e-9)) + 1):
        led.step()
    assert led.at_rest
    rest_rad = led.position_rad
    assert (led.step() == rest_rad).all()


def test_a_steady_stream_of_targets_is_passed_at_constant_speed():
    led = stream()
    speeds = []
    for number in range(1, 16):
        led.aim(np.array([0.05 * number, 0.0]), 1.25 * 0.2)
        for _ in range(10):
            led.step()
            speeds.append(led.velocity_rad_s[0])
    steady = speeds[50:]
    assert min(steady) > 0.95 * 0.25
    assert max(steady) < 1.05 * 0.25


def test_a_target_that_comes_late_by_a_quarter_finds_the_arm_still_moving():
    led = stream()
    led.aim(np.array([0.05, 0.0]), 1.25 * 0.2)
    for _ in range(12):
        led.step()
    assert led.velocity_rad_s[0] > 0.0


def test_from_outside_of_the_limits_the_first_target_leads_back_inside():
    led = SetpointStream(LIMITS, PERIOD_S, np.array([1.2, 0.0]))
    led.aim(np.array([1.2, 0.0]), 0.2)
    settle(led)
    assert led.position_rad == pytest.approx((1.0, 0.0))
