"""The configuration: nothing about a rig's limits is assumed, nothing impossible accepted."""

import dataclasses
import inspect

import pytest

from tmrl_controller.config import ControllerConfig
from tmrl_controller.testing import CONFIG, FRANKA_CONFIG


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"robot": ""}, "robot is empty"),
        ({"action_space": "joint_velocity"}, "bridge_delta_ee_7, droid_joint_velocity_8"),
        ({"pacing": "fast"}, "valid: lock_step, state, steady"),
        ({"fifo_priority": 100}, "fifo_priority is 100; it must be 0 to 99"),
        ({"fifo_priority": -1}, "fifo_priority is -1"),
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
        ({"max_lead_m": 0.0}, "max_lead_m is missing or 0; bridge_delta_ee_7 needs it"),
        ({"joint_low_rad": (0.0,) * 7}, "which bridge_delta_ee_7 knows nothing of"),
        ({"kinematics": "franky"}, "kinematics is franky, which bridge_delta_ee_7 knows nothing"),
    ],
)
def test_what_could_not_be_executed_safely_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"joint_low_rad": ()}, "joint_low_rad is missing"),
        ({"joint_high_rad": (1.0,) * 6}, "high_rad is .* it needs 7 finite numbers"),
        (
            {"joint_low_rad": (float("nan"), *(-2.0,) * 6)},
            "joint_low_rad is nan; it must be finite",
        ),
        ({"joint_low_rad": (2.7, *(-3.0,) * 6)}, "each lower end must lie below its upper one"),
        ({"joint_low_rad": (3.0,) * 7}, "each lower end must lie below its upper one"),
        ({"max_joint_velocity_rad_s": (1.0,) * 6 + (0.0,)}, "rad_s is 0.0; it must be above 0"),
        ({"max_joint_acceleration_rad_s2": (-1.0,) * 7}, "s2 is -1.0; it must be above 0"),
        ({"refuse_joint_velocity_rad_s": 0.5}, "refuse_joint_velocity_rad_s is 0.5"),
        ({"refuse_joint_velocity_rad_s": float("nan")}, "refuse_joint_velocity_rad_s is nan"),
        ({"max_lead_m": 0.1}, "max_lead_m is 0.1, which droid_joint_velocity_8 knows nothing of"),
        ({"workspace_box": (0.0, 1.0)}, "workspace_box"),
        ({"kinematics": ""}, "kinematics is missing"),
        ({"kinematics": "frnaky"}, "kinematics: driver is 'frnaky'.*did you mean 'franky'"),
        ({"kinematics": "loopback"}, "kinematics is 'loopback', whose driver tells no kinematics"),
    ],
)
def test_what_a_franka_could_not_execute_safely_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(FRANKA_CONFIG, **changes)


@pytest.mark.parametrize("config", [CONFIG, FRANKA_CONFIG], ids=lambda c: c.action_space)
def test_no_limit_of_a_rig_has_a_default(config):
    no_limits = {"setpoint_grace_s", "tick_rate_hz", "fifo_priority", "pacing"}
    no_limits |= {"estop_file", "resume_after_teleop", "execute_steps", "max_seam"}
    for field in dataclasses.fields(ControllerConfig):
        given = getattr(config, field.name) not in (0.0, (), "")
        if field.default is dataclasses.MISSING or field.name in no_limits or not given:
            continue
        with pytest.raises(ValueError, match=f"{field.name} is missing"):
            dataclasses.replace(config, **{field.name: field.default})


def test_the_columns_of_an_action_are_those_of_its_space():
    assert (CONFIG.action_dim, FRANKA_CONFIG.action_dim) == (7, 8)
    assert (CONFIG.joints, FRANKA_CONFIG.joints) == (0, 7)


def test_every_field_is_described():
    # Cleaned, since Python 3.13 keeps docstrings without their indentation.
    described = inspect.getdoc(ControllerConfig).partition("Attributes:")[2]

    for field in dataclasses.fields(ControllerConfig):
        assert f"\n    {field.name}: " in described


def test_sigma_may_be_capped_at_zero():
    assert dataclasses.replace(CONFIG, sigma_cap=0.0).steering_limits.sigma_cap == 0.0
