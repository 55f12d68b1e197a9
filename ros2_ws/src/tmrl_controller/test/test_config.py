"""The configuration: nothing about a rig's limits is assumed, nothing impossible accepted."""

import dataclasses

import pytest

from tmrl_controller.config import ControllerConfig
from tmrl_controller.testing import CONFIG


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"robot": ""}, "robot is empty"),
        ({"action_space": "joint_velocity"}, "only bridge_delta_ee_7 is known"),
        ({"pacing": "fast"}, "steady, state, lock_step"),
        ({"horizon": 0}, "horizon is 0"),
        ({"sigma_cap": 1.5}, "sigma_cap is 1.5"),
        ({"z_cap": 0.0}, "z_cap is 0"),
        ({"max_translation_m": float("inf")}, "max_translation_m is inf"),
        ({"max_chunk_age_s": float("nan")}, "max_chunk_age_s is nan"),
        ({"tick_rate_hz": 4.0}, "at least control_rate_hz"),
        ({"refuse_translation_m": 0.02}, "refuse_translation_m is 0.02"),
        ({"refuse_rotation_rad": 0.2}, "refuse_rotation_rad is 0.2"),
        ({"refuse_rotation_rad": 3.5}, "refuse_rotation_rad is 3.5"),
        ({"workspace_box": (0.0, 1.0)}, "workspace_box"),
    ],
)
def test_what_could_not_be_executed_safely_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(CONFIG, **changes)


def test_no_limit_of_a_rig_has_a_default():
    defaulted = {
        field.name
        for field in dataclasses.fields(ControllerConfig)
        if field.default is not dataclasses.MISSING
    }

    assert defaulted == {"setpoint_grace_s", "tick_rate_hz", "pacing", "resume_after_teleop"}


def test_every_field_is_described():
    described = ControllerConfig.__doc__.partition("Attributes:")[2]

    for field in dataclasses.fields(ControllerConfig):
        assert f"        {field.name}: " in described


def test_sigma_may_be_capped_at_zero():
    assert dataclasses.replace(CONFIG, sigma_cap=0.0).steering_limits.sigma_cap == 0.0
