"""The WidowX driver over real DDS, against a stand-in for the vendor's driver with faults."""

import re
import time

import numpy as np
import pytest

from tmrl_arm.driver import ArmConnectionError, ArmFaultError, CommandRefusedError
from tmrl_arm.interbotix.config import InterbotixConfig
from tmrl_arm.interbotix.driver import InterbotixDriver
from tmrl_arm.interbotix.motors import MOTOR_NAMES
from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.clock import SteadyClock
from tmrl_common.testing.waiting import wait_until

pytestmark = [pytest.mark.ros]


def wait_for(condition):
    wait_until(condition, "the stand-in or the driver")


@pytest.fixture
def driver(stand_in):
    import rclpy

    rclpy.init()
    # Time limits are generous: the machine may be busy.
    config = InterbotixConfig(
        connect_timeout_s=10.0, service_timeout_s=5.0, state_timeout_s=1.0, health_period_s=0.3
    )
    arm = InterbotixDriver(config, SteadyClock())
    try:
        yield arm
    finally:
        arm.close()
        rclpy.try_shutdown()


@pytest.fixture
def rig(driver, stand_in):
    def cause_fault():
        stand_in.fault("nan elbow")
        wait_for(lambda: driver.read().fault is not None)
        stand_in.fault("well")

    return DriverRig(
        driver=driver,
        let_pass=time.sleep,
        cause_fault=cause_fault,
        cut=stand_in.kill,
        mend=stand_in.start,
    )


class TestContract(DriverContract):
    @pytest.fixture
    def rig(self, rig):
        return rig


@pytest.fixture
def connected(rig):
    rig.driver.connect()
    return rig


def fault_of(rig):
    ill = rig.until(lambda reading: reading.fault is not None, "a fault")
    return ill.fault.sentence


def let_states_pass(rig, count):
    """As long as so many readings take: what the driver sends by itself is in the log then."""
    for _ in range(count):
        last = rig.driver.read()
        rig.until(lambda now, last=last: now.measured_s > last.measured_s, "a newer reading")


def set_off(rig):
    """A movement that takes a while, in progress."""
    start = rig.driver.read()
    slow = rig.pose(start, (0.08, 0.05, 0.0), duration_s=4.0, valid_for_s=20.0)
    rig.driver.command(slow)
    far_m = 0.01
    rig.until(
        lambda now: np.linalg.norm(now.tool_position_m - start.tool_position_m) > far_m,
        "the arm to be on its way",
    )
    return slow


def test_connecting_sends_no_target_and_touches_no_torque(connected, stand_in):
    assert stand_in.log("joint_group", "joint_single", "torque_enable", "reboot") == []
    modes = [entry["values"] for entry in stand_in.log("set_modes")]
    assert modes == [["gripper", "linear_position"]]


def test_no_step_between_setpoints_is_faster_than_the_limit(connected, stand_in):
    start = connected.driver.read()
    connected.drive_to(connected.pose(start, (0.0, 0.08, 0.0), duration_s=0.5))
    targets = np.array([entry["values"] for entry in stand_in.log("joint_group")])
    most_rad = connected.driver.capabilities.joint_max_velocity_rad_s / 50.0
    assert (np.abs(np.diff(targets, axis=0)) <= most_rad + 1e-6).all()
    assert np.abs(targets[0] - start.joint_position_rad).max() < 0.01


def test_a_killed_vendor_driver_leaves_a_fault_and_an_arm_that_waits(connected, stand_in):
    slow = set_off(connected)
    stand_in.kill()
    assert "vendor's driver died" in connected.until_lost()
    stand_in.start()
    connected.driver.connect()
    commands = len(stand_in.log("joint_group"))
    assert "arm/recover" in fault_of(connected)
    with pytest.raises(CommandRefusedError, match="fault"):
        connected.driver.command(slow)
    let_states_pass(connected, 50)
    assert len(stand_in.log("joint_group")) == commands
    connected.driver.recover()
    assert connected.driver.read().fault is None
    let_states_pass(connected, 25)
    assert len(stand_in.log("joint_group")) == commands
    connected.driver.command(connected.pose(connected.driver.read(), (0.03, 0.0, 0.0)))
    wait_for(lambda: len(stand_in.log("joint_group")) > commands)


def test_a_vendor_driver_that_falls_silent_is_a_lost_connection(connected, stand_in):
    stand_in.fault("silent")
    assert "no joint states" in connected.until_lost()


def test_an_overloaded_motor_is_named_with_the_remedy(connected, stand_in):
    set_off(connected)
    stand_in.fault("overload elbow")
    connected.until(
        lambda now: now.fault is not None and "motor elbow" in now.fault.sentence, "its name"
    )
    assert "reboot elbow --arm-is-held" in fault_of(connected)
    with pytest.raises(ArmFaultError, match="motor elbow"):
        connected.driver.recover()
    assert stand_in.log("torque_enable", "reboot") == []


def test_an_overloaded_second_motor_is_noticed_as_well(connected, stand_in):
    stand_in.fault("overload shoulder_shadow")
    assert "motor shoulder_shadow" in fault_of(connected)


def test_a_motor_off_the_bus_is_named_with_the_remedy(connected, stand_in):
    set_off(connected)
    stand_in.fault("off forearm_roll")
    connected.until(
        lambda now: now.fault is not None and "motor forearm_roll" in now.fault.sentence,
        "its name",
    )
    assert "cable" in fault_of(connected)
    wait_for(lambda: connected.driver.read().fault is not None)
    commands = len(stand_in.log("joint_group"))
    connected.let_pass(1.0)
    assert len(stand_in.log("joint_group")) - commands <= 20
    with pytest.raises(ArmFaultError, match="forearm_roll"):
        connected.driver.recover()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("nan elbow", "nan rad for elbow"),
        ("jump elbow", "elbow jumped"),
        ("freeze elbow", "elbow stays at exactly"),
        ("block elbow", "elbow is .* rad away"),
    ],
)
def test_joint_states_betray_a_fault(connected, stand_in, fault, sentence):
    set_off(connected)
    stand_in.fault(fault)
    start = connected.driver.read()
    far = connected.pose(start, (0.14, 0.0, 0.0), duration_s=1.0, valid_for_s=5.0)
    try:
        connected.driver.command(far)
    except CommandRefusedError as error:
        # The fault was noticed before the command came.
        assert "fault" in str(error)
    assert re.search(sentence, fault_of(connected))


def test_a_reboot_asks_whether_the_arm_is_held_and_then_helps(connected, stand_in):
    from tmrl_arm.interbotix import tool

    stand_in.fault("held")
    stand_in.fault("overload shoulder")
    fault_of(connected)
    assert tool.main(["reboot", "shoulder"]) == 1
    assert stand_in.log("reboot") == []
    assert tool.main(["reboot", "shoulder", "--arm-is-held"]) in (0, 1)
    assert [entry["values"] for entry in stand_in.log("reboot")] == [["shoulder", True]]
    wait_for(lambda: tool.main(["status"]) == 0)
    connected.driver.recover()
    profile = [entry["values"] for entry in stand_in.log("set_registers")]
    assert profile.count(["arm", "Profile_Velocity", 40]) == 2
    connected.drive_to(connected.pose(connected.driver.read(), (0.02, 0.0, 0.0), duration_s=1.0))


def test_a_limp_arm_is_stiffened_where_it_is_and_only_on_request(stand_in, driver):
    from tmrl_arm.interbotix import tool

    stand_in.fault("held")
    assert tool.main(["torque-off"]) == 1
    assert stand_in.log("torque_enable") == []
    tool.main(["torque-off", "--arm-is-held"])
    driver.connect()
    assert "limp" in driver.read().fault.sentence
    assert [entry["values"] for entry in stand_in.log("torque_enable")] == [["all", False]]
    driver.recover()
    assert driver.read().fault is None
    assert [entry["values"] for entry in stand_in.log("torque_enable")][-1] == ["all", True]
    target = stand_in.log("joint_group")[0]
    assert np.allclose(target["values"], target["position"], atol=0.05)


def test_without_a_vendor_driver_connecting_fails_with_the_remedy(messages, ros_domain_id):
    arm = InterbotixDriver(InterbotixConfig(connect_timeout_s=0.5), SteadyClock())
    with pytest.raises(ArmConnectionError, match=r"/dev/ttyDXL"):
        arm.connect()
    arm.close()


def test_motors_that_are_all_mute_are_neither_well_nor_simulated(stand_in, driver, capsys):
    from tmrl_arm.interbotix import tool

    for motor in MOTOR_NAMES:
        stand_in.fault(f"overload {motor}")
    with pytest.raises(ArmConnectionError, match=r"none of the 9 motors.* come from xs_sdk,"):
        driver.connect()
    assert tool.main(["status"]) == 1
    assert "none of the 9 motors" in capsys.readouterr().out
