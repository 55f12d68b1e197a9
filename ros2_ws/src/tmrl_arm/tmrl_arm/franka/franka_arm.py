"""A Franka as a driver: one thread streams joint velocities to it, another one works its hand."""

import logging
import threading
import time
from collections.abc import Callable

from tmrl_arm.driver import (
    ArmCapabilities,
    ArmConnectionError,
    ArmFaultError,
    ArmReading,
    CommandRefusedError,
    Fault,
)
from tmrl_arm.franka.franka_control import FrankaControl
from tmrl_arm.franka.franka_robot import Hand, MotionAbortedError, Robot, RobotSample
from tmrl_arm.franka.franky_config import FrankyConfig, capabilities_of
from tmrl_arm.franka.gripper_thread import GripperThread
from tmrl_common.arm import ArmCommand
from tmrl_common.clock import Clock

_HOLD_S = 0.1
_REST_S = 4.0
"""Several times what the robot needs to stop from full speed."""
_CLOSE_S = 1.0
"""Beyond that: for a thread inside a call, and once more for one whose connections were broken."""
_POLL_S = 0.01
_RECOVERY_S = 1.0

_log = logging.getLogger(__name__)


class _Session:
    """One connection: the robot, its hand, and the thread between them.

    Attributes:
        lost: Why the connection is over; empty while it is not.
    """

    def __init__(self, config: FrankyConfig, clock: Clock, robot: Robot, hand: Hand) -> None:
        self._config, self._clock, self._robot = config, clock, robot
        self._sample = robot.sample()
        self._sampled_s = clock.now_s()
        self._control = FrankaControl(config, robot.chain, self._sample)
        self._gripper = GripperThread(hand)
        self._lock = threading.Lock()
        """Of the control and the sample; held for microseconds, except while a pose is solved."""
        self._robot_lock = threading.Lock()
        """Of the robot's blocking calls."""
        self._driving = False
        self._in_motion = True
        """Whether the robot may still be braking; nobody knows before it was asked."""
        self._stopping = threading.Event()
        self.lost = ""
        self._thread = threading.Thread(target=self._run, name="franka", daemon=True)
        self._thread.start()

    def reading(self) -> ArmReading:
        with self._lock:
            self._check()
            sample = self._sample
            return ArmReading(
                measured_s=self._sampled_s,
                joint_position_rad=sample.joint_position_rad,
                joint_velocity_rad_s=sample.joint_velocity_rad_s,
                joint_effort_nm=sample.joint_effort_nm,
                tool_position_m=sample.tool_position_m,
                tool_quaternion_xyzw=sample.tool_quaternion_xyzw,
                gripper_opening=self._gripper.opening,
                gripper_commanded=self._gripper.wished,
                homing=self._control.homing,
                holding=self._control.at_rest and not self._in_motion,
                fault=self._fault(),
            )

    def command(self, command: ArmCommand) -> None:
        with self._lock:
            self._check()
            self._refuse_for_the_hand()
            self._control.command(command, self._clock.now_s())
            self._gripper.wish(command.gripper_opening)

    def home(self) -> None:
        with self._lock:
            self._check()
            self._refuse_for_the_hand()
            self._control.home(self._clock.now_s())

    def stop(self) -> None:
        with self._lock:
            self._check()
            self._control.stop()

    def recover(self) -> None:
        with self._robot_lock:
            fault = self._control.fault
            if fault is not None:
                if not fault.may_recover_alone:
                    raise ArmFaultError(fault.sentence)
                self._robot.recover()
                self._await_recovery()
        self._gripper.recover()

    def _await_recovery(self) -> None:
        """Looks at the robot until its state tells of no error; the answer may outrun the state.

        Raises:
            ArmFaultError: It still does after a second.
        """
        ends_s = self._clock.now_s() + _RECOVERY_S
        while True:
            sample = self._robot.sample()
            with self._lock:
                self._take(sample)
                self._control.recovered()
                self._control.tick(sample, self._clock.now_s())
                fault = self._control.fault
            if fault is None:
                return
            if self._clock.now_s() > ends_s:
                raise ArmFaultError(f"the robot does not recover: {fault.sentence}")

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(_REST_S + _CLOSE_S)
        if self.lost or self._gripper.lost or self._thread.is_alive():
            self._robot.abandon()
            self._thread.join(_CLOSE_S)
        self._gripper.close()

    def _check(self) -> None:
        lost = self.lost or self._gripper.lost
        if not lost and not self._thread.is_alive():
            lost = "the thread that leads the robot has ended, the log says why; connect again"
        if lost:
            raise ArmConnectionError(lost)

    def _refuse_for_the_hand(self) -> None:
        if self._gripper.problem:
            self._control.stop()
            raise CommandRefusedError(self._gripper.problem)

    def _fault(self) -> Fault | None:
        if self._control.fault is None and self._gripper.problem:
            return Fault(self._gripper.problem, may_recover_alone=False)
        return self._control.fault

    def _run(self) -> None:
        period_s = 1.0 / self._config.stream_rate_hz
        due_s = self._clock.now_s()
        try:
            while not self._stopping.wait(max(0.0, due_s - self._clock.now_s())):
                self._tick()
                due_s = max(due_s + period_s, self._clock.now_s())
            self._come_to_rest()
        except ArmConnectionError as error:
            self.lost = str(error)
        except Exception as error:  # noqa: BLE001 - raised by every call from now on
            # Its last sample would keep looking like news, and commands like accepted ones.
            _log.exception("the thread that leads the robot failed")
            self.lost = (
                f"the thread that leads the robot failed ({type(error).__name__}: {error}); the "
                "next attempt to connect comes by itself"
            )

    def _tick(self) -> None:
        with self._robot_lock:
            try:
                sample = self._robot.sample()
                with self._lock:
                    self._take(sample)
                    velocity = self._control.tick(sample, self._clock.now_s())
                moving = True
                if velocity is not None:
                    self._robot.move(velocity, _HOLD_S)
                elif self._driving:
                    self._robot.halt()
                else:
                    moving = self._robot.poll()
                self._driving, self._in_motion = velocity is not None, moving
            except MotionAbortedError as error:
                self._driving, self._in_motion = False, True
                with self._lock:
                    self._control.abort(str(error), self._clock.now_s())

    def _take(self, sample: RobotSample) -> None:
        """Keeps a sample; notices a robot that says nothing new.

        Raises:
            ArmConnectionError: It has been silent for too long.
        """
        now_s = self._clock.now_s()
        if sample.robot_time_s != self._sample.robot_time_s:
            self._sample, self._sampled_s = sample, now_s
        silent_s = now_s - self._sampled_s
        if silent_s > self._config.state_timeout_s:
            raise ArmConnectionError(
                f"the robot has been silent for {silent_s:.2f} s, allowed are "
                f"{self._config.state_timeout_s:g} s: check the cable and that it is switched on"
            )

    def _come_to_rest(self) -> None:
        """Ends the motion in progress before the robot is let go of."""
        ends_s = self._clock.now_s() + _REST_S
        with self._robot_lock:
            try:
                self._robot.halt()
                while self._robot.poll():
                    if self._clock.now_s() > ends_s:
                        # Without its connection the robot brakes by itself.
                        self.lost = f"the robot did not come to rest within {_REST_S:g} s"
                        _log.error("%s: its connection is broken off", self.lost)
                        return
                    time.sleep(_POLL_S)
            except MotionAbortedError as error:
                self.lost = f"the robot ended its last motion: {error}"


class FrankaArm:
    """Implements `ArmDriver`."""

    def __init__(
        self,
        config: FrankyConfig,
        clock: Clock,
        open_robot: Callable[[FrankyConfig], Robot],
        open_hand: Callable[[FrankyConfig], Hand],
    ) -> None:
        """Touches nothing.

        Args:
            config: The lab's settings.
            clock: For ages and time-outs; it must run by itself.
            open_robot: Connects to the robot.
            open_hand: Connects to its hand.
        """
        self._config, self._clock = config, clock
        self._open_robot, self._open_hand = open_robot, open_hand
        self._session: _Session | None = None

    @property
    def capabilities(self) -> ArmCapabilities:
        """Those of the model in the settings."""
        return capabilities_of(self._config)

    def connect(self) -> None:
        """See `ArmDriver.connect`."""
        self.close()
        robot = self._open_robot(self._config)
        hand = self._open_hand(self._config)
        self._session = _Session(self._config, self._clock, robot, hand)

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        return self._connected().reading()

    def command(self, command: ArmCommand) -> None:
        """See `ArmDriver.command`."""
        self._connected().command(command)

    def stop(self) -> None:
        """See `ArmDriver.stop`."""
        self._connected().stop()

    def home(self) -> None:
        """See `ArmDriver.home`."""
        self._connected().home()

    def recover(self) -> None:
        """See `ArmDriver.recover`."""
        self._connected().recover()

    def close(self) -> None:
        """See `ArmDriver.close`."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def _connected(self) -> _Session:
        if self._session is None:
            raise ArmConnectionError(
                f"there is no connection to the robot at {self._config.address} yet; connect first"
            )
        return self._session
