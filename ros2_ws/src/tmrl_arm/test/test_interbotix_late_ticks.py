"""A person drives a WidowX on a busy machine: threads that come late slow the arm, and no more."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmrl_arm.driver import CommandRefusedError
from tmrl_arm.testing.widowx_bus import CONFIG, HOME_RAD, Arm, to

SPEED_M_S = 0.05
TICK_S = 0.02
VALID_S = 0.12
LIMIT_RAD_S = 1.0
SLOW = replace(CONFIG, max_joint_velocity_rad_s=LIMIT_RAD_S)
"""The first joint must turn at 0.2 rad/s to follow."""


def drive(commands_sleep: set[int], motors_sleep: set[int], ticks: int = 100) -> Arm:
    """A target that a person leads across at constant speed, as both threads of the driver see it.

    Args:
        commands_sleep: Ticks at which the thread that takes commands does not run; of those that
            came meanwhile it takes the newest.
        motors_sleep: Ticks at which the thread that leads the motors does not run.
        ticks: How long the person drives.
    """
    arm = Arm(config=SLOW).connect()
    x_m, y_m, z_m = SLOW.home_position_m
    for tick in range(1, ticks + 1):
        arm.clock.advance(TICK_S)
        arm.bus.publish()
        y_m += SPEED_M_S * TICK_S
        if tick not in commands_sleep:
            arm.core.command(to((x_m, y_m, z_m), duration_s=TICK_S, valid_for_s=VALID_S))
        if tick not in motors_sleep:
            arm.core.tick()
    arm.core.command(to((x_m, y_m, z_m), duration_s=TICK_S, valid_for_s=1.0))
    arm.run(1.0)
    assert arm.tool_m() == pytest.approx((x_m, y_m, z_m), abs=1e-3)
    return arm


def check_motors(arm: Arm) -> None:
    """The setpoints kept to speed and acceleration."""
    speed = np.diff([HOME_RAD, *arm.bus.written], axis=0) / TICK_S
    assert np.abs(speed).max() <= LIMIT_RAD_S + 1e-9
    change = np.abs(np.diff(speed, axis=0)) / TICK_S
    # The last bit of a way is no matter of acceleration.
    assert change.max() <= SLOW.max_joint_acceleration_rad_s2 * 1.5


def test_a_punctual_driver_follows_at_the_pace_of_the_person():
    arm = drive(set(), set())
    speed = np.abs(np.diff(arm.bus.written, axis=0) / TICK_S).max()
    assert speed < 0.3
    check_motors(arm)


STALLS = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 12)), max_size=3)


def asleep(stalls):
    """Ticks of stalls of at most 12 each: one that follows upon another would make a longer one."""
    ticks = set()
    for start, length in sorted(stalls):
        if not ticks & {start - 1, start}:
            ticks |= set(range(start, start + length))
    return ticks


@example([], [(40, 10)])
@example([(40, 12)], [])
@example([(40, 10)], [(40, 10)])
@given(STALLS, STALLS)
def test_late_threads_make_the_arm_catch_up_within_its_limits_and_no_fault(commands, motors):
    check_motors(drive(asleep(commands), asleep(motors)))


def test_after_a_long_silence_the_person_is_too_far_away_to_be_followed():
    with pytest.raises(CommandRefusedError, match="waist would need to turn at"):
        drive(set(range(1, 31)), set())


def test_a_leap_is_refused_also_while_the_arm_follows():
    arm = Arm(config=SLOW).connect()
    x_m, y_m, z_m = SLOW.home_position_m
    for tick in range(10):
        arm.core.command(to((x_m, y_m + 1e-3 * tick, z_m), TICK_S, VALID_S))
        arm.run(TICK_S)
    with pytest.raises(CommandRefusedError, match="waist would need to turn at"):
        arm.core.command(to((x_m, y_m + 0.15, z_m), TICK_S, VALID_S))


def test_an_arm_that_cannot_keep_up_is_not_led_away_from_for_ever():
    arm = Arm(config=SLOW).connect()
    x_m, y_m, z_m = SLOW.home_position_m
    with pytest.raises(CommandRefusedError, match="behind"):
        for tick in range(60):
            arm.core.command(to((x_m, y_m + 4e-3 * tick, z_m), TICK_S, VALID_S))
