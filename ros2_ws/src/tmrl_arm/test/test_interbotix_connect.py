"""What the WidowX driver does when it connects and motors are mute, limp, or of another arm."""

import pytest

from tmrl_arm.driver import ArmConnectionError, CommandRefusedError
from tmrl_arm.interbotix.bus import Register
from tmrl_arm.interbotix.config import GRIPPER, JOINT_HIGH_RAD, JOINT_LOW_RAD, JOINTS
from tmrl_arm.interbotix.motors import Motors
from tmrl_arm.testing.widowx_bus import CONFIG, HOME_RAD, Arm, to


def test_a_limp_arm_waits_and_is_stiffened_where_it_is():
    arm = Arm()
    arm.bus.registers[Register.TORQUE_ENABLE] = [0] * 9
    arm.connect()
    assert "limp" in arm.sentence()
    assert ("all", "torque", True) not in arm.bus.deeds
    arm.bus.position_rad = HOME_RAD + 0.05
    arm.bus.publish()
    arm.core.recover()
    assert ("all", "torque", True) in arm.bus.deeds
    assert arm.bus.written[0] == pytest.approx(HOME_RAD + 0.05)
    assert arm.sentence() == ""


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": JOINTS[:5]}, "robot_model:=wx250s"),
        ({"mode": ("position", "velocity")}, "modes.yaml"),
        ({"limits": (JOINT_LOW_RAD * 0.5, JOINT_HIGH_RAD)}, "it is not a wx250s"),
    ],
)
def test_another_arm_or_mode_is_refused(change, sentence):
    arm = Arm()
    vars(arm.bus).update(change)
    with pytest.raises(ArmConnectionError, match=sentence):
        arm.connect()
    assert arm.bus.deeds == []


@pytest.mark.parametrize("empty", [1, 2])
def test_empty_answers_do_not_turn_a_real_arm_into_a_simulated_one(empty):
    arm = Arm()
    arm.bus.empty_answers = empty
    arm.connect()
    assert arm.sentence() == ""
    assert (GRIPPER, "Goal_PWM", CONFIG.gripper_pwm) in arm.bus.deeds
    arm.bus.ends_at = 0
    arm.run(2.0)
    assert "motor waist does not answer" in arm.sentence()


def test_a_first_motor_that_stays_mute_is_named_and_the_arm_does_not_move():
    arm = Arm()
    arm.bus.ends_at = 0
    arm.connect()
    assert "motor waist does not answer" in arm.sentence()
    with pytest.raises(CommandRefusedError, match="motor waist"):
        arm.core.command(to((0.26, 0.0, 0.15)))


@pytest.mark.parametrize("names", [("xs_sdk",), (), ("xs_sdk", "xs_sdk_sim")])
def test_motors_that_are_all_mute_are_refused_unless_the_simulated_driver_says_its_name(names):
    arm = Arm()
    arm.bus.empty_answers = 9
    arm.bus.names_of_publishers = names
    with pytest.raises(ArmConnectionError, match="none of the 9 motors"):
        arm.connect()
    assert arm.bus.deeds == []


def test_the_simulated_driver_has_no_registers_and_is_known_by_its_name():
    arm = Arm()
    arm.bus.empty_answers = 9
    arm.bus.names_of_publishers = ("xs_sdk_sim",)
    arm.connect()
    assert arm.sentence() == ""
    assert (GRIPPER, "Goal_PWM", CONFIG.gripper_pwm) not in arm.bus.deeds


def test_a_motor_that_does_not_tell_its_torque_does_not_count_as_holding():
    arm = Arm().connect()
    arm.bus.mute_from[Register.TORQUE_ENABLE] = 8
    motors = Motors(arm.bus, CONFIG)
    motors.check_model()
    assert "motor elbow_shadow does not answer" in motors.complaint()
