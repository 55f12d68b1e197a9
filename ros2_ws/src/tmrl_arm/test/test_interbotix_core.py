"""What the WidowX driver decides, on a made-up bus and a made-up clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_arm.driver import ArmConnectionError, ArmFaultError, CommandRefusedError
from tmrl_arm.interbotix.config import JOINT_HIGH_RAD, JOINT_LOW_RAD
from tmrl_arm.interbotix.kinematics import tool_down
from tmrl_arm.testing.widowx_bus import CONFIG, HOME_RAD, Arm, to


def test_a_target_is_reached():
    arm = Arm().connect()
    arm.core.command(to((0.27, 0.02, 0.12)))
    arm.run(0.5)
    assert arm.tool_m() == pytest.approx((0.27, 0.02, 0.12), abs=1e-3)


def test_the_last_setpoint_is_sent_some_more_times_and_then_none():
    arm = Arm().connect()
    arm.core.command(to((0.26, 0.0, 0.15), valid_for_s=0.5))
    arm.run(2.0)
    sent = len(arm.bus.written)
    assert all((arm.bus.written[-1] == last).all() for last in arm.bus.written[-8:])
    arm.run(2.0)
    assert len(arm.bus.written) == sent


def test_a_command_expires_without_anybody_asking():
    arm = Arm().connect()
    arm.core.command(to((0.30, 0.0, 0.15), duration_s=2.0, valid_for_s=0.2))
    arm.run(3.0)
    assert 0.25 < arm.tool_m()[0] < 0.28


def test_targets_at_5_hz_are_passed_without_a_stop_even_if_one_is_late():
    arm = Arm().connect()
    for number in range(1, 12):
        arm.core.command(to((0.25, 0.01 * number, 0.15)))
        arm.run(0.24 if number == 7 else 0.2)
    waist = np.diff([written[0] for written in arm.bus.written])
    under_way = waist[10:100]
    assert under_way.min() > 0.5 * under_way.mean()
    assert under_way[60:].max() < 1.5 * under_way.mean()


def test_an_ik_failure_stops_the_arm_and_is_counted():
    arm = Arm().connect()
    arm.core.command(to((0.32, 0.0, 0.15), duration_s=1.0, valid_for_s=10.0))
    arm.run(0.2)
    with pytest.raises(CommandRefusedError, match="out of reach"):
        arm.core.command(to((2.0, 0.0, 0.15)))
    assert arm.core.ik_failures == 1
    arm.run(0.5)
    here_m = arm.tool_m()
    arm.run(1.0)
    assert arm.tool_m() == pytest.approx(here_m)
    assert here_m[0] < 0.30


def test_a_joint_limit_is_refused_with_name_value_and_limit():
    arm = Arm().connect()
    with pytest.raises(CommandRefusedError) as refusal:
        arm.core.command(to((0.25, 0.0, 0.36), duration_s=5.0))
    high = f"{arm.config.joint_high_rad[4]:.3f}"
    assert "wrist_angle at 2." in str(refusal.value)
    assert high in str(refusal.value)
    arm.run(0.5)
    assert arm.bus.written == []


def test_a_target_that_would_need_too_much_speed_is_refused_with_the_joint():
    arm = Arm().connect()
    with pytest.raises(CommandRefusedError, match=r"waist would need to turn at .* limit is 2.00"):
        arm.core.command(to((0.0, 0.25, 0.15), duration_s=0.1))


@given(
    st.lists(st.tuples(st.floats(0.1, 0.5), st.floats(-0.4, 0.4), st.floats(-0.1, 0.5)), max_size=8)
)
def test_whatever_is_commanded_the_motors_get_no_target_beyond_a_limit(targets):
    arm = Arm().connect()
    for target_m in targets:
        try:
            arm.core.command(to(target_m))
        except CommandRefusedError:
            arm.core.stop()
        arm.run(0.2)
    most = arm.config.max_joint_velocity_rad_s / arm.config.stream_rate_hz + 1e-9
    before = HOME_RAD
    for written in arm.bus.written:
        assert (written >= arm.config.joint_low_rad - 1e-9).all()
        assert (written <= arm.config.joint_high_rad + 1e-9).all()
        assert np.abs(written - before).max() <= most
        before = written


def test_an_arm_that_was_moved_by_hand_sets_off_from_where_it_is():
    arm = Arm().connect()
    arm.bus.position_rad = HOME_RAD + np.array([0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
    arm.run(0.5)
    arm.core.command(to((0.25, 0.05, 0.15)))
    arm.run(0.02)
    assert arm.bus.written[0][0] == pytest.approx(0.2, abs=0.01)


def test_the_gripper_opens_and_closes_between_its_ends():
    arm = Arm().connect()
    for opening in (0.0, 0.5, 1.0):
        arm.core.command(to(CONFIG.home_position_m, gripper=opening))
    assert arm.bus.fingers == pytest.approx([0.015, 0.026, 0.037])
    assert arm.core.read().gripper_commanded == 1.0


def test_home_lifts_the_tool_before_it_goes_sideways():
    arm = Arm().connect()
    arm.bus.position_rad = tool_down(np.array((0.30, 0.15, 0.03)), (JOINT_LOW_RAD, JOINT_HIGH_RAD))
    arm.bus.publish()
    arm.connect()
    arm.core.home()
    assert arm.core.read().homing
    while arm.core.read().homing:
        arm.run(0.02)
        x, y, z = arm.tool_m()
        if z < 0.10:
            assert (x, y) == pytest.approx((0.30, 0.15), abs=0.03)
    assert arm.tool_m() == pytest.approx(CONFIG.home_position_m, abs=1e-3)


def test_missing_joint_states_are_a_lost_connection():
    arm = Arm().connect()
    arm.core.command(to((0.30, 0.0, 0.15), duration_s=5.0, valid_for_s=10.0))
    arm.bus.talks = False
    arm.run(1.0)
    with pytest.raises(ArmConnectionError, match="no joint states"):
        arm.core.read()
    sent = len(arm.bus.written)
    arm.run(1.0)
    assert len(arm.bus.written) == sent


def test_the_gaps_in_the_vendors_joint_states_are_no_lost_connection():
    arm = Arm().connect()
    for _ in range(5):
        arm.clock.advance(0.37)
        arm.core.tick()
        arm.bus.publish()
        arm.core.tick()
    assert arm.sentence() == ""


def test_after_a_lost_connection_a_person_has_to_clear_the_fault():
    arm = Arm(fault="the arm was out of reach; call arm/recover").connect()
    with pytest.raises(CommandRefusedError, match="out of reach"):
        arm.core.command(to((0.26, 0.0, 0.15)))
    arm.core.recover()
    arm.core.command(to((0.26, 0.0, 0.15)))


def one_wrong(value):
    def show(arm):
        shown = arm.bus.position_rad.copy()
        shown[2] = value if value is not None else shown[2] - 2.0
        return shown

    return show


@pytest.mark.parametrize(
    ("show", "sentence"),
    [
        (one_wrong(np.nan), "nan rad for elbow"),
        (one_wrong(None), "elbow jumped"),
        (lambda _: np.full(6, -np.pi), "all joints read -3.142"),
    ],
)
def test_nonsense_is_a_fault_only_if_it_lasts(show, sentence):
    arm = Arm().connect()
    arm.run(CONFIG.state_timeout_s - 0.1, lambda: show(arm)).run(0.5)
    assert arm.sentence() == ""
    arm.run(CONFIG.state_timeout_s + 0.1, lambda: show(arm))
    assert sentence in arm.sentence()
    good = arm.core.read().joint_position_rad
    assert good == pytest.approx(HOME_RAD)


def test_a_frozen_reading_and_a_blocked_joint_are_told_apart():
    frozen = Arm().connect()
    frozen.bus.moves = False
    frozen.core.command(to((0.32, 0.0, 0.15), duration_s=1.0, valid_for_s=10.0))
    frozen.run(2.0)
    assert "stays at exactly" in frozen.sentence()

    blocked = Arm().connect()
    blocked.bus.moves = False
    noise = np.random.default_rng(0)
    blocked.core.command(to((0.38, 0.0, 0.15), duration_s=1.0, valid_for_s=10.0))
    blocked.run(3.0, lambda: blocked.bus.position_rad + noise.normal(0.0, 1e-3, 6))
    assert "blocked, overloaded" in blocked.sentence()
    # What pressed is led back to where the arm is.
    assert blocked.bus.written[-1] == pytest.approx(HOME_RAD, abs=0.01)


def test_a_joint_that_sets_off_late_is_no_fault():
    arm = Arm().connect()
    arm.run(5.0)
    arm.core.command(to((0.32, 0.0, 0.15), duration_s=0.5, valid_for_s=10.0))
    arm.bus.moves = False
    arm.run(0.2)
    arm.bus.moves = True
    arm.run(2.0)
    assert arm.sentence() == ""
    assert arm.tool_m() == pytest.approx((0.32, 0.0, 0.15), abs=1e-3)


def test_a_motor_in_an_error_state_is_named_even_where_joint_states_spoke_first():
    arm = Arm().connect()
    arm.bus.ends_at = 3
    arm.run(2.0, lambda: np.full(6, -np.pi))
    assert "motor forearm_roll does not answer" in arm.sentence()
    with pytest.raises(ArmFaultError, match="forearm_roll"):
        arm.core.recover()
    arm.bus.ends_at = 9
    arm.run(0.1)
    arm.core.recover()
    assert arm.sentence() == ""


def test_a_vendor_driver_that_answers_nothing_is_a_fault():
    arm = Arm().connect()
    arm.bus.answers = False
    arm.run(CONFIG.service_timeout_s + CONFIG.health_period_s + 0.5)
    assert "did not answer" in arm.sentence()
