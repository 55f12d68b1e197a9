"""The Franka over libfranka's real protocol, against a simulated robot in a process of its own."""

import math
import os
import re
import socket
import struct
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("franky", reason="needs franky-control")

import franky

from tmrl_arm.driver import ArmConnectionError, ArmFaultError, CommandRefusedError
from tmrl_arm.franka.franky_config import FrankyConfig
from tmrl_arm.franka.franky_robot import FCI_PORT, FrankyHand, FrankyRobot, make_driver
from tmrl_arm.testing.contract import DriverContract
from tmrl_arm.testing.franka_simulator import FrankaSimulator, SimulatorClock, own_address
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.clock import SteadyClock

PERIOD_S = 1.0 / 15.0
TICK_S = 1.0 / 50.0
HEADER = struct.Struct("<III")
WRONG_VERSION = struct.Struct("<BH5x")


@pytest.fixture
def simulator():
    with FrankaSimulator(own_address()) as started:
        yield started


@pytest.fixture
def clock(simulator):
    return SimulatorClock(simulator)


@pytest.fixture
def rig(simulator, clock):
    config = FrankyConfig(address=simulator.address, realtime=False, connect_timeout_s=30.0)
    yield DriverRig(
        driver=make_driver(config, clock),
        let_pass=clock.sleep,
        toward_m=(0.03, 0.02, -0.03),
        cause_fault=simulator.reflex,
        cut=simulator.kill,
        mend=simulator.start,
    )


@pytest.fixture
def arm(rig):
    with closing(rig.driver):
        rig.driver.connect()
        yield rig


class TestFranka(DriverContract):
    @pytest.fixture
    def rig(self, rig):
        return rig


class Recorder:
    """Streams commands as a controller that ticks at 50 Hz does for a policy of 15 Hz."""

    def __init__(self, rig: DriverRig, clock: SimulatorClock) -> None:
        self._rig, self._clock = rig, clock
        self.speed = []

    def run(self, make_command, steps: int) -> None:
        begin_s = self._clock.now_s()
        for step in range(steps):
            self._rig.driver.command(make_command(step))
            # 60, 60, 80 ms apart, on the average 1/15 s.
            ends_s = begin_s + TICK_S * math.ceil((step + 1) * PERIOD_S / TICK_S)
            while self._clock.now_s() < ends_s:
                # The simulated last joint chatters about its speed with every physics step.
                joints = self._rig.driver.read().joint_velocity_rad_s[:6]
                self.speed.append(np.linalg.norm(joints))
                self._clock.sleep(0.01)

    def steady(self):
        """Without the first and the last fifth, in which it sets off and comes to rest."""
        cut = len(self.speed) // 5
        return np.array(self.speed[cut:-cut])


@pytest.fixture
def recorder(arm, clock):
    return Recorder(arm, clock)


def test_a_constant_stream_of_joint_velocities_has_no_dips(arm, recorder):
    recorder.run(lambda _: arm.turning(0, 0.3, valid_for_s=2.5 * PERIOD_S), steps=30)
    speed = recorder.steady()
    assert speed.min() > 0.9 * 0.3
    assert speed.max() < 1.1 * 0.3


def test_a_constant_stream_of_poses_has_no_dips(arm, recorder):
    start = arm.driver.read()
    step_m = np.array((0.0, 0.006, 0.0))

    def pose(step):
        offset_m = (step + 1) * step_m
        return arm.pose(start, offset_m, duration_s=PERIOD_S, valid_for_s=2.5 * PERIOD_S)

    recorder.run(pose, steps=30)
    speed = recorder.steady()
    assert speed.min() > 0.4 * np.median(speed)
    assert speed.max() < 1.8 * np.median(speed)
    arm.drive_to(pose(29))


def test_velocities_and_poses_follow_each_other_without_a_stop(arm, recorder):
    recorder.run(lambda _: arm.turning(0, 0.2, valid_for_s=2.5 * PERIOD_S), steps=10)
    turned = arm.driver.read()
    # The first joint turns the tool along y where the arm reaches out along x.
    along_m = np.array((0.0, 0.2 * turned.tool_position_m[0] * PERIOD_S, 0.0))
    recorder.run(
        lambda step: arm.pose(
            turned, (step + 2) * along_m, duration_s=PERIOD_S, valid_for_s=2.5 * PERIOD_S
        ),
        steps=10,
    )
    assert recorder.steady().min() > 0.3 * 0.2


def test_only_the_thread_that_moves_the_robot_is_a_real_time_one(rig):
    # A caller left at franky's priority would give it to all that it starts, and starve the rest.
    before = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    with closing(rig.driver):
        rig.driver.connect()
        assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
        rig.driver.command(rig.turning(0, 0.1, valid_for_s=1.0))
        rig.let_pass(0.1)
        rig.driver.read()
        assert (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority) == before
        others = [os.sched_getscheduler(thread.native_id) for thread in threading.enumerate()]
        assert set(others) == {before[0]}


def test_the_arm_does_not_wait_for_its_hand(arm):
    start = arm.driver.read()
    wanted = 0.0 if start.gripper_opening > 0.5 else 1.0
    seen = []

    def turned(reading):
        arm.driver.command(arm.turning(0, 0.8, gripper=wanted))
        moved_rad = reading.joint_position_rad[0] - start.joint_position_rad[0]
        seen.append((moved_rad, abs(reading.gripper_opening - wanted)))
        return moved_rad > 0.1

    arm.until(turned, "the first joint to turn")
    # Not the last reading: on a busy machine the hand may be done before the joint is there.
    assert any(moved_rad > 0.01 and left > 0.1 for moved_rad, left in seen)
    arm.until(lambda reading: abs(reading.gripper_opening - wanted) < 0.1, "the hand to follow")


def test_the_newest_wish_for_the_hand_wins(arm):
    start = arm.driver.read()
    for opening in (0.1, 0.9, 0.3, 0.8, 0.5):
        arm.driver.command(arm.pose(start, gripper=opening))
    end = arm.until(lambda reading: abs(reading.gripper_opening - 0.5) < 0.05, "the last wish")
    assert end.gripper_commanded == 0.5


@pytest.mark.parametrize(
    ("mode", "words"),
    [("UserStopped", "release the stop"), ("Guiding", "let go"), ("Other", "unlock the joints")],
)
def test_a_mode_that_forbids_movement_is_a_fault_for_a_person(arm, simulator, mode, words):
    start = arm.driver.read()
    arm.driver.command(arm.turning(0, 0.2))
    simulator.set_mode(mode)
    ill = arm.until(lambda reading: reading.fault is not None, "the fault to show")
    assert words in ill.fault.sentence
    assert not ill.fault.may_recover_alone
    with pytest.raises(ArmFaultError, match=words):
        arm.driver.recover()
    with pytest.raises(CommandRefusedError, match=words):
        arm.driver.command(arm.pose(start))
    simulator.set_mode("Idle")
    arm.until(lambda reading: reading.fault is None, "the fault to go with its cause")
    rest = arm.until_at_rest()
    arm.let_pass(0.5)
    drift = arm.driver.read().joint_position_rad - rest.joint_position_rad
    assert np.abs(drift).max() < 5e-3


def test_a_locked_arm_is_connected_and_says_what_to_do(rig, simulator):
    simulator.set_mode("Other")
    with closing(rig.driver):
        rig.driver.connect()
        fault = rig.driver.read().fault
    assert "mode Other, expected is Idle" in fault.sentence
    assert "Desk" in fault.sentence


def test_a_reflex_names_its_reason(arm):
    arm.driver.command(arm.turning(0, 0.2))
    arm.cause_fault()
    ill = arm.until(lambda reading: reading.fault is not None, "the fault to show")
    assert "joint_reflex" in ill.fault.sentence
    assert ill.fault.may_recover_alone


def test_a_robot_that_falls_silent_is_lost_and_keeps_nobody_waiting(arm, simulator):
    arm.driver.command(arm.turning(0, 0.2, gripper=0.0, valid_for_s=5.0))
    arm.until(lambda reading: abs(reading.joint_velocity_rad_s[0]) > 0.1, "the arm to move")
    # As if its cable were pulled: the connections stay open, and nobody answers.
    simulator.freeze()
    assert re.search("silent|Timeout", arm.until_lost())
    hasty = FrankyConfig(address=simulator.address, realtime=False, connect_timeout_s=2.0)
    with pytest.raises(ArmConnectionError):
        make_driver(hasty, SteadyClock()).connect()
    simulator.kill()
    simulator.start()
    arm.driver.connect()
    arm.driver.read()


def test_the_collision_thresholds_reach_the_robot(rig, simulator):
    config = FrankyConfig(
        address=simulator.address,
        realtime=False,
        connect_timeout_s=30.0,
        collision_torque_nm=(31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0),
        collision_force_n=(41.0, 42.0, 43.0, 44.0, 45.0, 46.0),
    )
    with closing(make_driver(config, SteadyClock())) as driver:
        driver.connect()
    assert simulator.thresholds() == {
        "torque_nm": list(config.collision_torque_nm),
        "force_n": list(config.collision_force_n),
    }


def test_a_hand_that_does_not_know_its_width_is_refused(rig, simulator):
    simulator.forget_hand()
    rig.let_pass(0.1)
    with pytest.raises(ArmConnectionError, match=r"stroke of 0 m, expected is 0\.08.*home it"):
        rig.driver.connect()


@pytest.mark.skipif(Path("/sys/kernel/realtime").exists(), reason="this kernel is real-time")
def test_without_a_real_time_kernel_a_real_arm_is_refused(simulator):
    config = FrankyConfig(address=simulator.address, connect_timeout_s=30.0)
    driver = make_driver(config, SteadyClock())
    with pytest.raises(ArmConnectionError, match="PREEMPT_RT"):
        driver.connect()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("no-such-robot.invalid", "'no-such-robot.invalid' is not known .*IP address"),
        ("127.0.78.1", r"127\.0\.78\.1 refuses .*activate FCI"),
    ],
)
def test_a_wrong_address_is_told_at_once(address, sentence):
    config = FrankyConfig(address=address, realtime=False, connect_timeout_s=0.5)
    with pytest.raises(ArmConnectionError, match=sentence):
        make_driver(config, SteadyClock()).connect()


def test_an_address_that_does_not_answer_is_told_soon():
    address = own_address()
    config = FrankyConfig(address=address, realtime=False, connect_timeout_s=0.5)
    with ExitStack() as stack:
        # A full queue of connections that nobody accepts: further ones get no answer.
        server = stack.enter_context(closing(socket.create_server((address, FCI_PORT), backlog=0)))
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.settimeout(0.0)
            waiting.connect_ex(server.getsockname())
        with pytest.raises(ArmConnectionError, match=r"no answer from .* 0\.5 s .*check the cable"):
            make_driver(config, SteadyClock()).connect()


def speak_another_version(server: socket.socket) -> None:
    """A robot that answers every greeting with version 3 and "incompatible"."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            header = connection.recv(HEADER.size)
            if len(header) == HEADER.size:
                command, number, size = HEADER.unpack(header)
                connection.recv(size - HEADER.size)
                answer = HEADER.pack(command, number, HEADER.size + WRONG_VERSION.size)
                connection.sendall(answer + WRONG_VERSION.pack(1, 3))


def test_a_robot_of_another_version_is_refused_by_name():
    address = own_address()
    with closing(socket.create_server((address, FCI_PORT))) as server:
        threading.Thread(target=speak_another_version, args=(server,), daemon=True).start()
        driver = make_driver(FrankyConfig(address=address, realtime=False), SteadyClock())
        with pytest.raises(ArmConnectionError, match=r"another version .*[Ss]erver version: 3"):
            driver.connect()


class Failing:
    """A vendor's object of which nothing can be read any more, once it has an error."""

    def __init__(self) -> None:
        self.error = None

    def __getattr__(self, name):
        if self.error is not None:
            raise self.error
        return self


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(franky).values()
        # Desk has a client of its own, which is not used here.
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, franky.DeskError)
    ],
)
def test_whatever_the_vendors_software_raises_is_a_lost_connection(kind):
    config, vendors = FrankyConfig(address="192.0.2.1"), Failing()
    robot = FrankyRobot(vendors, config.address, config, scheduling=None)
    hand = FrankyHand(vendors, 0.08, config)
    vendors.error = kind("it says no")
    for call in (robot.sample, hand.opening, lambda: hand.start(1.0)):
        with pytest.raises(ArmConnectionError, match="it says no"):
            call()


def test_settings_out_of_range_are_named():
    good = FrankyConfig(address="192.0.2.1")
    with pytest.raises(ValueError, match=r"joint4 at 0 rad; for the fr3 .* -0\.202"):
        replace(good, home_joint_rad=(0.0,) * 7)
    with pytest.raises(ValueError, match="collision_torque_nm has 2 values; give 7"):
        replace(good, collision_torque_nm=(20.0, 20.0))
    with pytest.raises(ValueError, match="did you mean 'panda'"):
        replace(good, model="panada")
    with pytest.raises(ValueError, match=r"gripper_force_n is 700\.0; it must be 1 to 70"):
        replace(good, gripper_force_n=700.0)
