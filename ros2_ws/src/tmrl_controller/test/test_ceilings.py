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
