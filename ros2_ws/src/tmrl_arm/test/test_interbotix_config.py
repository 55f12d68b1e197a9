"""Settings of the WidowX driver that are refused, and what the motors' registers say."""

import pytest

from tmrl_arm.driver import LONGEST_SILENCE_S
from tmrl_arm.interbotix.config import InterbotixConfig
from tmrl_arm.interbotix.driver import InterbotixDriver
from tmrl_arm.interbotix.health import error_sentence
from tmrl_common.errors import ConfigError
from tmrl_common.testing import FakeClock


@pytest.mark.parametrize(
    "setting",
    [
        {"vendor_name": "/wx250s"},
        {"stretch": 0.5},
        {"max_joint_velocity_rad_s": 10.0},
        {"max_joint_acceleration_rad_s2": 0.5},
        {"gripper_pwm": 885},
        {"finger_closed_m": 0.04},
        {"home_position_m": (0.2, 0.0)},
        {"following_error_rad": float("nan")},
        {"state_timeout_s": 1.5},
    ],
)
def test_settings_that_could_do_harm_are_refused_by_name(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        InterbotixConfig(**setting)


def test_the_limit_on_missing_states_is_the_hosts():
    with pytest.raises(ConfigError, match=f"to {LONGEST_SILENCE_S:g}"):
        InterbotixConfig(state_timeout_s=1.5)
    InterbotixConfig(state_timeout_s=LONGEST_SILENCE_S)


def test_a_rest_pose_out_of_reach_is_refused_before_anything_is_touched():
    with pytest.raises(ConfigError, match="home_position_m"):
        InterbotixDriver(InterbotixConfig(home_position_m=(0.6, 0.0, 0.5)), FakeClock())


@pytest.mark.parametrize(
    ("bit", "what"),
    [(0, "input voltage"), (2, "overheating"), (3, "encoder"), (4, "electrical"), (5, "overload")],
)
def test_error_bits_are_told_with_a_remedy(bit, what):
    sentence = error_sentence(("waist", "elbow"), (0, 1 << bit))
    assert "motor elbow" in sentence
    assert what in sentence
    assert "reboot elbow --arm-is-held" in sentence


def test_a_read_that_ends_early_names_the_motor_at_which_it_ended():
    assert "motor elbow does not answer" in error_sentence(("waist", "elbow", "gripper"), (0,))
    assert error_sentence(("waist", "elbow"), (0, 0)) == ""
