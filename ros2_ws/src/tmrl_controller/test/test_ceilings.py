"""What a rig's numbers cannot do, however they were mistyped: keep a real arm moving for long."""

from dataclasses import replace

import numpy as np
import pytest

from tmrl_common.errors import ConfigError
from tmrl_controller.config import Pacing
from tmrl_controller.testing import CONFIG, FRANKA_CONFIG, HardwareScene, at_s, moves

LONGEST = {"max_teleop_age_s": 1.0, "setpoint_grace_s": 0.5, "max_arm_state_age_s": 1.0}
"""The largest watchdogs that are taken with a real arm, s."""


@pytest.mark.parametrize("config", [CONFIG, FRANKA_CONFIG], ids=lambda c: c.robot)
@pytest.mark.parametrize(("name", "most_s"), [*LONGEST.items(), ("max_chunk_age_s", 30.0)])
def test_a_watchdog_in_milliseconds_is_refused_with_what_was_probably_meant(config, name, most_s):
    with pytest.raises(ConfigError, match=rf"{name} is 500.*did you mean 0\.5 \(500 ms\)\?"):
        replace(config, **{name: 500.0})
    with pytest.raises(ConfigError, match=f"{name} is .*must be above 0 to {most_s:g} s"):
        replace(config, **{name: 1.01 * most_s})
    assert getattr(replace(config, **{name: most_s}), name) == most_s


@pytest.mark.parametrize("name", LONGEST)
def test_true_is_no_time(name):
    with pytest.raises(ConfigError, match=f"{name} is True; it must be a number"):
        replace(CONFIG, **{name: True})


@pytest.mark.parametrize(
    "changes",
    [{"simulated_arm": True}, {"pacing": Pacing.LOCK_STEP.value}, {"pacing": Pacing.STATE.value}],
)
def test_a_simulation_may_be_slow_but_not_endless(changes):
    assert replace(CONFIG, max_arm_state_age_s=30.0, **changes).max_arm_state_age_s == 30.0
    with pytest.raises(ConfigError, match=r"did you mean 0\.3 \(300 ms\)"):
        replace(CONFIG, max_teleop_age_s=300.0, **changes)


def test_under_the_longest_watchdogs_a_silent_device_moves_the_arm_for_little_more_than_a_second():
    scene = HardwareScene(**LONGEST)
    scene.drive(5, linear_m_s=np.array([0.0, 0.1, 0.0]))
    silent_s = scene.clock.time_s + 1000.0

    scene.run(30.0)

    still_moving_until_s = max(at_s(move) + move.valid_for_s for move in moves(scene.log))
    assert still_moving_until_s - silent_s <= 1.6


def test_under_the_longest_watchdogs_an_arm_that_says_nothing_is_stopped_within_a_second():
    scene = HardwareScene(**LONGEST)
    scene.drive(5, linear_m_s=np.array([0.0, 0.1, 0.0]))

    scene.run(1.1, arm_answers=False)

    assert moves(scene.run(10.0, arm_answers=False)) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_translation_m": 30.0}, r"max_translation_m is 30.*did you mean 0\.03 \(30 mm\)"),
        ({"max_translation_m": 3.0}, r"0\.03 \(3 cm\)"),
        ({"max_translation_m": 0.3, "refuse_translation_m": 0.4}, "real arm at 5 Hz.*to 0.2 m"),
        ({"max_rotation_rad": 4.0}, r"did you mean 0\.0698 \(4 degrees\)"),
        ({"max_rotation_rad": 1.4, "refuse_rotation_rad": 1.5}, "real arm at 5 Hz.*to 1.25"),
        ({"max_lead_m": 50.0}, r"max_lead_m is 50.*0\.05 \(50 mm\)"),
        ({"max_lead_rad": 23.0}, r"max_lead_rad is 23.*0\.401 \(23 degrees\)"),
        ({"refuse_translation_m": 100.0}, r"0\.1 \(100 mm\)"),
        ({"workspace_box": (180.0, 380.0, -180.0, 180.0, 30.0, 220.0)}, r"0\.18 \(180 mm\)"),
        ({"max_translation_change_m": True}, "must be a number"),
    ],
)
def test_steps_in_millimetres_or_degrees_are_refused_with_what_was_probably_meant(
    changes, sentence
):
    with pytest.raises(ConfigError, match=sentence):
        replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("name", "degrees"),
    [
        ("joint_low_rad", -150.0),
        ("joint_high_rad", 150.0),
        ("max_joint_velocity_rad_s", 45.0),
        ("max_joint_acceleration_rad_s2", 300.0),
        ("refuse_joint_velocity_rad_s", 180.0),
    ],
)
def test_joint_limits_in_degrees_are_refused_with_radians(name, degrees):
    many = isinstance(getattr(FRANKA_CONFIG, name), tuple)
    with pytest.raises(ConfigError, match=rf"{name} is .*did you mean .*{degrees:g} degrees"):
        replace(FRANKA_CONFIG, **{name: (degrees,) * 7 if many else degrees})


def test_under_the_largest_steps_a_person_moves_the_tool_at_a_metre_per_second_at_most():
    largest = {"max_translation_m": 0.2, "refuse_translation_m": 0.2, "max_lead_m": 0.5}
    scene = HardwareScene(**largest, max_translation_change_m=0.5)
    scene.position_m = np.array([0.275, -0.25, 0.15])
    scene.see()

    scene.drive(10, linear_m_s=np.array([0.0, 50.0, 0.0]))

    ticks_s = np.array([at_s(move) for move in moves(scene.log)])
    way_m = np.array([move.target.position_m[1] for move in moves(scene.log)])
    assert (np.diff(way_m) / np.diff(ticks_s)).max() <= 1.0 + 1e-6
