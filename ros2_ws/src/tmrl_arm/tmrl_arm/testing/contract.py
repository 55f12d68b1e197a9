"""The contract of `ArmDriver` as tests. Each driver's tests inherit them and bring the rig.

    class TestMyArm(DriverContract):
        @pytest.fixture
        def rig(self) -> Iterator[DriverRig]:
            ...
            yield DriverRig(driver=MyArm(...), let_pass=time.sleep, ...)

The tests know no wall time: they wait for conditions, so that a slow simulator is as good as a
real arm.
"""

# The names of tests are sentences.
# ruff: noqa: D102

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from tmrl_arm.driver import ArmConnectionError, ArmDriver, ArmReading, CommandRefusedError
from tmrl_arm.testing.rig import DriverRig
from tmrl_common.arm import ArmCommand, CommandMode

_FAR_M = 5.0


class DriverContract:
    """What every driver does. Subclasses define the fixture `rig`."""

    @pytest.fixture
    def rig(self) -> Iterator[DriverRig]:
        """A driver, not connected; subclasses override this."""
        raise NotImplementedError("define the fixture `rig` in the subclass")

    @pytest.fixture
    def connected(self, rig: DriverRig) -> Iterator[DriverRig]:
        """The rig with its driver connected, closed again afterwards."""
        with _connected(rig.driver):
            yield rig

    def test_capabilities_are_complete_and_do_not_change(self, rig: DriverRig) -> None:
        before = rig.driver.capabilities
        with _connected(rig.driver):
            after = rig.driver.capabilities
        joints = len(before.joint_names)
        assert joints > 0
        assert CommandMode.HOLD in before.modes
        assert len(before.modes) > 1
        assert before.joint_low_rad.shape == before.joint_high_rad.shape == (joints,)
        assert before.joint_max_velocity_rad_s.shape == (joints,)
        assert (before.joint_low_rad < before.joint_high_rad).all()
        assert (before.joint_max_velocity_rad_s > 0.0).all()
        assert before.state_rate_hz > 0.0
        assert before.max_command_rate_hz > 0.0
        assert (after.joint_names, after.modes) == (before.joint_names, before.modes)

    def test_a_reading_is_complete(self, connected: DriverRig) -> None:
        _check_reading(connected.driver.read(), connected.driver)

    def test_readings_go_on_in_time(self, connected: DriverRig) -> None:
        first = connected.driver.read()
        connected.until(lambda reading: reading.measured_s > first.measured_s, "a newer reading")

    def test_connecting_moves_nothing(self, connected: DriverRig) -> None:
        first = connected.driver.read()
        connected.let_pass(0.5)
        moved = connected.driver.read().joint_position_rad - first.joint_position_rad
        assert np.abs(moved).max() < 5e-3

    def test_without_a_connection_there_are_no_readings(self, rig: DriverRig) -> None:
        with pytest.raises(ArmConnectionError):
            rig.driver.read()
        rig.driver.close()
        with _connected(rig.driver):
            rig.driver.read()
        rig.driver.close()
        with pytest.raises(ArmConnectionError):
            rig.driver.read()

    def test_it_connects_again_after_it_was_closed(self, rig: DriverRig) -> None:
        for _ in range(2):
            with _connected(rig.driver):
                _check_reading(rig.driver.read(), rig.driver)

    def test_the_tool_goes_to_a_pose(self, connected: DriverRig) -> None:
        _needs(connected, CommandMode.CARTESIAN_POSE)
        start = connected.driver.read()
        target = connected.pose(start, connected.toward_m, duration_s=1.0, valid_for_s=1.5)
        end = connected.drive_to(target)
        same_rotation = abs(end.tool_quaternion_xyzw @ start.tool_quaternion_xyzw)
        assert same_rotation == pytest.approx(1.0, abs=2e-3)

    def test_a_stream_of_poses_is_followed(self, connected: DriverRig) -> None:
        _needs(connected, CommandMode.CARTESIAN_POSE)
        start = connected.driver.read()
        for part in np.linspace(0.1, 1.0, 10):
            offset_m = part * np.asarray(connected.toward_m)
            connected.driver.command(connected.pose(start, offset_m, duration_s=0.1))
            connected.let_pass(0.1)
        connected.drive_to(connected.pose(start, connected.toward_m))

    def test_a_joint_turns_as_commanded(self, connected: DriverRig) -> None:
        _needs(connected, CommandMode.JOINT_VELOCITY)
        start = connected.driver.read()

        def turned(reading: ArmReading) -> bool:
            connected.driver.command(connected.turning(0, 0.2))
            return reading.joint_position_rad[0] - start.joint_position_rad[0] > 0.1

        end = connected.until(turned, "the first joint to turn by 0.1 rad")
        others = end.joint_position_rad[1:] - start.joint_position_rad[1:]
        assert np.abs(others).max() < 0.02

    def test_a_movement_expires_without_anybody_asking(self, connected: DriverRig) -> None:
        driver = connected.driver
        start = driver.read()
        if CommandMode.JOINT_VELOCITY in driver.capabilities.modes:
            driver.command(connected.turning(0, 0.2, valid_for_s=0.3))
        else:
            slow = connected.pose(start, connected.toward_m, duration_s=3.0, valid_for_s=0.3)
            driver.command(slow)
        connected.let_pass(1.5)
        rest = connected.until_at_rest()
        travelled = np.abs(rest.joint_position_rad - start.joint_position_rad).max()
        assert 0.0 < travelled < 0.2
        connected.let_pass(0.5)
        drift = driver.read().joint_position_rad - rest.joint_position_rad
        assert np.abs(drift).max() < 5e-3

    def test_stop_ends_a_movement(self, connected: DriverRig) -> None:
        driver = connected.driver
        start = driver.read()
        slow = connected.pose(start, connected.toward_m, duration_s=3.0, valid_for_s=10.0)
        if CommandMode.CARTESIAN_POSE not in driver.capabilities.modes:
            slow = connected.turning(0, 0.05, valid_for_s=10.0)
        driver.command(slow)
        connected.let_pass(0.3)
        driver.stop()
        rest = connected.until_at_rest()
        whole_m = np.linalg.norm(connected.toward_m)
        assert np.linalg.norm(rest.tool_position_m - start.tool_position_m) < 0.8 * whole_m
        connected.let_pass(1.0)
        drift = driver.read().joint_position_rad - rest.joint_position_rad
        assert np.abs(drift).max() < 5e-3

    def test_it_says_whether_the_arm_holds(self, connected: DriverRig) -> None:
        driver = connected.driver
        at_rest = connected.until(lambda reading: reading.holding, "the arm to hold")
        driver.command(_some_movement(connected, at_rest))
        connected.until(lambda reading: not reading.holding, "the movement to show")
        driver.stop()
        held = connected.until(lambda reading: reading.holding, "the arm to hold after a stop")
        connected.let_pass(0.5)
        drift = driver.read().joint_position_rad - held.joint_position_rad
        assert np.abs(drift).max() < 5e-3
        driver.command(_some_movement(connected, held))
        connected.until(lambda reading: not reading.holding, "the second movement to show")
        connected.until(lambda reading: reading.holding, "the movement to expire")
        driver.home()
        connected.until(lambda reading: reading.homing, "the way home")
        assert not driver.read().holding
        connected.until(lambda reading: reading.holding, "the arm to hold at home")

    def test_stop_is_harmless_at_rest(self, connected: DriverRig) -> None:
        connected.driver.stop()
        connected.driver.stop()
        assert connected.driver.read().fault is None

    def test_the_gripper_goes_where_it_is_told(self, connected: DriverRig) -> None:
        for opening in (0.2, 0.9):
            start = connected.driver.read()
            if CommandMode.CARTESIAN_POSE in connected.driver.capabilities.modes:
                connected.driver.command(connected.pose(start, gripper=opening))
            else:
                connected.driver.command(connected.turning(0, 0.0, gripper=opening))
            end = connected.until(
                lambda reading, wanted=opening: abs(reading.gripper_opening - wanted) < 0.1,
                f"the gripper to be at {opening}",
            )
            assert end.gripper_commanded == pytest.approx(opening)

    def test_an_unreachable_pose_is_refused_and_the_arm_holds(self, connected: DriverRig) -> None:
        _needs(connected, CommandMode.CARTESIAN_POSE)
        start = connected.driver.read()
        with pytest.raises(CommandRefusedError, match=r".{20}"):
            connected.driver.command(connected.pose(start, (_FAR_M, 0.0, 0.0)))
        rest = connected.until_at_rest()
        assert np.linalg.norm(rest.tool_position_m - start.tool_position_m) < 0.005
        assert rest.gripper_commanded == pytest.approx(start.gripper_commanded)
        connected.drive_to(connected.pose(rest, connected.toward_m, duration_s=1.0))

    def test_home_is_one_place(self, connected: DriverRig) -> None:
        first = _go_home(connected)
        connected.driver.command(_some_movement(connected, first))
        connected.let_pass(0.5)
        second = _go_home(connected)
        apart = second.joint_position_rad - first.joint_position_rad
        assert np.abs(apart).max() < 0.02

    def test_stop_ends_the_way_home(self, connected: DriverRig) -> None:
        _leave_home(connected)
        connected.driver.home()
        connected.until(lambda reading: reading.homing, "the arm to set off")
        connected.driver.stop()
        connected.until(lambda reading: not reading.homing, "the way home to end")
        rest = connected.until_at_rest()
        connected.let_pass(1.0)
        drift = connected.driver.read().joint_position_rad - rest.joint_position_rad
        assert np.abs(drift).max() < 5e-3

    def test_a_command_ends_the_way_home(self, connected: DriverRig) -> None:
        _leave_home(connected)
        connected.driver.home()
        reading = connected.until(lambda reading: reading.homing, "the arm to set off")
        connected.driver.command(_some_movement(connected, reading))
        connected.until(lambda reading: not reading.homing, "the way home to end")

    def test_a_fault_stops_everything_until_it_is_cleared(self, connected: DriverRig) -> None:
        _has(connected, "fault")
        start = connected.driver.read()
        connected.driver.command(_some_movement(connected, start))
        connected.cause_fault()
        ill = connected.until(lambda reading: reading.fault is not None, "the fault to show")
        assert ill.fault is not None
        assert len(ill.fault.sentence) > 20
        with pytest.raises(CommandRefusedError):
            connected.driver.command(_some_movement(connected, ill))
        with pytest.raises(CommandRefusedError):
            connected.driver.home()
        rest = connected.until_at_rest()
        connected.driver.recover()
        well = connected.driver.read()
        assert well.fault is None
        assert np.abs(well.joint_position_rad - rest.joint_position_rad).max() < 0.02
        connected.driver.command(_some_movement(connected, well))

    def test_a_lost_arm_is_noticed_and_found_again_without_moving(self, rig: DriverRig) -> None:
        _has(rig, "cable")
        with _connected(rig.driver):
            start = rig.driver.read()
            rig.driver.command(_some_movement(rig, start))
            rig.cut()
            assert len(rig.until_lost()) > 20
            with pytest.raises(ArmConnectionError):
                rig.driver.command(_some_movement(rig, start))
            with pytest.raises(ArmConnectionError):
                rig.driver.connect()
            rig.mend()
            rig.driver.connect()
            back = rig.driver.read()
            rig.let_pass(1.0)
            moved = rig.driver.read().joint_position_rad - back.joint_position_rad
            assert np.abs(moved).max() < 5e-3


@contextmanager
def _connected(driver: ArmDriver) -> Generator[None]:
    driver.connect()
    try:
        yield
    finally:
        driver.close()
        driver.close()


def _needs(rig: DriverRig, mode: CommandMode) -> None:
    if mode not in rig.driver.capabilities.modes:
        pytest.skip(f"this arm has no mode {mode.name}")


def _has(rig: DriverRig, what: str) -> None:
    if what in rig.lacks:
        pytest.skip(f"nothing to be done to the {what} of this rig")


def _some_movement(rig: DriverRig, reading: ArmReading) -> ArmCommand:
    if CommandMode.CARTESIAN_POSE in rig.driver.capabilities.modes:
        return rig.pose(reading, rig.toward_m, duration_s=1.0, valid_for_s=1.0)
    return rig.turning(0, 0.1)


def _go_home(rig: DriverRig) -> ArmReading:
    rig.driver.home()
    rig.until(lambda reading: not reading.homing, "the arm to be home")
    return rig.until_at_rest()


def _leave_home(rig: DriverRig) -> None:
    rest = _go_home(rig)
    if CommandMode.CARTESIAN_POSE in rig.driver.capabilities.modes:
        rig.drive_to(rig.pose(rest, rig.toward_m, duration_s=1.0, valid_for_s=1.5))
    else:
        rig.driver.command(rig.turning(0, 0.3, valid_for_s=1.0))
        rig.let_pass(1.0)


def _check_reading(reading: ArmReading, driver: ArmDriver) -> None:
    can = driver.capabilities
    joints = len(can.joint_names)
    assert reading.joint_position_rad.shape == reading.joint_velocity_rad_s.shape == (joints,)
    assert reading.joint_effort_nm.shape in ((joints,), (0,))
    assert reading.tool_position_m.shape == (3,)
    assert np.linalg.norm(reading.tool_quaternion_xyzw) == pytest.approx(1.0, abs=1e-6)
    assert np.isfinite(reading.joint_position_rad).all()
    assert np.isfinite(reading.joint_velocity_rad_s).all()
    assert np.isfinite(reading.tool_position_m).all()
    assert (reading.joint_position_rad >= can.joint_low_rad - 0.05).all()
    assert (reading.joint_position_rad <= can.joint_high_rad + 0.05).all()
    assert 0.0 <= reading.gripper_opening <= 1.0
    assert 0.0 <= reading.gripper_commanded <= 1.0
    assert not reading.homing
    assert reading.fault is None
