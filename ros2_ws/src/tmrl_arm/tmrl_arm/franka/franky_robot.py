"""The Franka through franky (libfranka): the one place that imports it."""

# franky has its types in one compiled module only.
# pyright: reportMissingTypeStubs=false

import errno
import os
import socket
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import franky
import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import ArmConnectionError, ArmFaultError
from tmrl_arm.franka.franka_arm import FrankaArm
from tmrl_arm.franka.franka_robot import HandError, MotionAbortedError, RobotMode, RobotSample
from tmrl_arm.franka.franky_config import FrankyConfig
from tmrl_common.clock import Clock

Array = NDArray[np.float64]

FCI_PORT = 1337
_HAND_PORT = 1338
_LEAST_STROKE_M = 0.01
_REALTIME = {True: franky.RealtimeConfig.Enforce, False: franky.RealtimeConfig.Ignore}
_NO_CONNECTION = (errno.EBADF, errno.ENOENT, errno.ENOTCONN)
_ERRORS = tuple(name for name in dir(franky.Errors) if not name.startswith("_"))
# What is no libfranka's own in franky has no common root, and is no RuntimeError in Python either.
_LOST = (
    franky.Exception,
    franky.GripperException,
    franky.InvalidMotionTypeException,
    franky.MotionReuseException,
    franky.ReactionRecursionException,
    franky.TorqueSignalTimeoutException,
    RuntimeError,
)


def make_driver(config: FrankyConfig, clock: Clock) -> FrankaArm:
    """A Franka with its hand, not connected yet."""
    return FrankaArm(config, clock, open_robot, open_hand)


def open_robot(config: FrankyConfig) -> "FrankyRobot":
    """Connects to the robot and sets its collision behaviour; it does not move.

    Raises:
        ArmConnectionError: No answer, a refusal, another version, no real-time kernel.
    """
    peer = _knock(config.address, config.connect_timeout_s)
    try:
        with _bounded(peer, config.connect_timeout_s), _Scheduling.of_this_thread().kept():
            robot = franky.Robot(
                config.address,
                controller_mode=franky.ControllerMode.JointImpedance,
                realtime_config=_REALTIME[config.realtime],
            )
            torques, forces = list(config.collision_torque_nm), list(config.collision_force_n)
            robot.set_collision_behavior(torques, torques, forces, forces)
            return FrankyRobot(robot, peer, config, _Scheduling.of_this_thread())
    except franky.IncompatibleVersionException as error:
        raise ArmConnectionError(
            f"the robot at {config.address} speaks another version of the control interface than "
            f"this franky-control: {error}; install the franky-control built for the robot's "
            "system version, or update the robot"
        ) from error
    except franky.RealtimeException as error:
        raise ArmConnectionError(
            f"this machine has no real-time kernel ({error}), which a Franka demands: boot a "
            "PREEMPT_RT kernel; for a simulator set franky.realtime to false"
        ) from error
    except _LOST as error:
        raise ArmConnectionError(
            f"the robot at {config.address} refused the control connection: {error}; in Desk "
            "unlock the joints and activate FCI, and end other programs that control it"
        ) from error


def open_hand(config: FrankyConfig) -> "FrankyHand":
    """Connects to the Franka hand.

    Raises:
        ArmConnectionError: It does not answer, or does not know its width yet.
    """
    try:
        with _bounded(socket.gethostbyname(config.address), config.connect_timeout_s):
            hand = franky.Gripper(config.address)
            width_m = float(hand.max_width)
    except (*_LOST, OSError) as error:
        raise ArmConnectionError(
            f"the Franka hand at {config.address} does not answer: {error}; see that it is "
            "mounted and chosen as end effector in Desk"
        ) from error
    if width_m < _LEAST_STROKE_M:
        raise ArmConnectionError(
            f"the Franka hand reports a stroke of {width_m:g} m, expected is 0.08: it has not been "
            "homed since it was switched on; home it in Desk"
        )
    return FrankyHand(hand, width_m, config)


def _knock(address: str, timeout_s: float) -> str:
    """Finds out whether anybody answers: libfranka alone would wait for a minute.

    Returns:
        The robot's IP address.

    Raises:
        ArmConnectionError: Nobody does; the text tells the ways apart.
    """
    try:
        with socket.create_connection((address, FCI_PORT), timeout_s) as connection:
            return connection.getpeername()[0]
    except socket.gaierror as error:
        raise ArmConnectionError(
            f"the address {address!r} is not known ({error}); give the robot's IP address, as in "
            "Desk's URL"
        ) from error
    except ConnectionRefusedError as error:
        raise ArmConnectionError(
            f"{address} refuses connections on port {FCI_PORT}; if that is the robot, activate FCI "
            "in Desk"
        ) from error
    except OSError as error:
        raise ArmConnectionError(
            f"no answer from {address} within {timeout_s:g} s ({error}); check the cable to the "
            "robot's control, this machine's address on that network, and that it is switched on"
        ) from error


@contextmanager
def _bounded(peer: str, timeout_s: float) -> Generator[None]:
    """Hangs up on a robot that lets the body wait for longer than this."""
    timer = threading.Timer(timeout_s, _hang_up, [peer])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Scheduling(NamedTuple):
    """Scheduling of a thread."""

    policy: int
    parameters: os.sched_param

    @classmethod
    def of_this_thread(cls) -> "_Scheduling":
        return cls(os.sched_getscheduler(0), os.sched_getparam(0))

    @contextmanager
    def kept(self) -> Generator[None]:
        """Gives the calling thread this scheduling back, whatever happens to it meanwhile."""
        try:
            yield
        finally:
            os.sched_setscheduler(0, *self)

    @contextmanager
    def lent(self) -> Generator[None]:
        """Gives the calling thread this scheduling, and with it the threads that it starts."""
        with _Scheduling.of_this_thread().kept():
            os.sched_setscheduler(0, *self)
            yield


def _hang_up(peer: str) -> None:
    """Ends every connection of this process with the robot and its hand, whoever owns it.

    franky offers no way to. A robot that fell silent, its cable pulled for example, would keep
    franky's destructors waiting for an answer, with Python's interpreter lock held.
    """
    for path in Path("/proc/self/fd").iterdir():
        try:
            if not stat.S_ISSOCK(path.stat().st_mode):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as connection:
                if connection.getpeername()[:2] in ((peer, FCI_PORT), (peer, _HAND_PORT)):
                    connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            # Closed meanwhile by its owner, or a socket without a peer.
            if error.errno not in _NO_CONNECTION:
                raise


class _FrankyChain:
    """Kinematics by the model that the robot sent."""

    def __init__(self, robot: franky.Robot) -> None:
        state = robot.state
        self._model = robot.model
        self._tool = (state.F_T_EE, state.EE_T_K)

    def pose(self, joint_rad: Array) -> tuple[Array, Array]:
        pose = self._model.pose(franky.Frame.EndEffector, joint_rad, *self._tool)
        return _plain(pose)

    def jacobian(self, joint_rad: Array) -> Array:
        columns = self._model.zero_jacobian(franky.Frame.EndEffector, joint_rad, *self._tool)
        return np.asarray(columns)


class FrankyRobot:
    """Implements `franka_robot.Robot`.

    franky raises the thread that connects to the highest real-time priority (SCHED_FIFO 99, where
    the system allows it) for the sake of the thread that it starts with each motion, which inherits
    it. All other threads and processes that the caller starts would inherit it, too, and keep the
    rest of the machine waiting; so the caller has it only for as long as it starts a motion.
    """

    def __init__(
        self, robot: franky.Robot, peer: str, config: FrankyConfig, scheduling: _Scheduling
    ) -> None:
        """Takes a connected robot, its IP address and what franky made of the calling thread."""
        self._robot, self._peer, self._scheduling = robot, peer, scheduling
        self._factor = franky.RelativeDynamicsFactor(
            1.0, config.dynamics_factor, config.dynamics_factor
        )
        self.chain = _FrankyChain(robot)
        """Its kinematics."""

    def sample(self) -> RobotSample:
        """See `Robot.sample`."""
        try:
            state = self._robot.state
        except _LOST as error:
            raise _lost(error) from error
        mode = RobotMode(state.robot_mode.name)
        position_m, quaternion_xyzw = _plain(state.O_T_EE)
        return RobotSample(
            robot_time_s=state.time.to_sec(),
            joint_position_rad=np.asarray(state.q),
            joint_velocity_rad_s=np.asarray(state.dq),
            joint_effort_nm=np.asarray(state.tau_J),
            tool_position_m=position_m,
            tool_quaternion_xyzw=quaternion_xyzw,
            mode=mode,
            errors=_names_of(state) if mode is RobotMode.REFLEX else (),
        )

    def move(self, velocity_rad_s: Array, hold_s: float) -> None:
        """See `Robot.move`."""
        hold = franky.Duration(round(hold_s * 1e3))
        self._start(
            franky.JointVelocityWaypointMotion(
                [
                    franky.JointVelocityWaypoint(velocity_rad_s, hold_target_duration=hold),
                    franky.JointVelocityWaypoint(np.zeros(7)),
                ],
                self._factor,
            )
        )

    def halt(self) -> None:
        """See `Robot.halt`."""
        if self._robot.is_in_control:
            self._start(franky.JointVelocityStopMotion())

    def poll(self) -> bool:
        """See `Robot.poll`."""
        try:
            # It returns whether the motion is over, and not, as its documentation says, whether the
            # robot still moves. What matters here is that it raises what ended the motion.
            self._robot.poll_motion()
            return bool(self._robot.is_in_control)
        except franky.ControlException as error:
            raise MotionAbortedError(str(error)) from error
        except _LOST as error:
            raise _lost(error) from error

    def recover(self) -> None:
        """See `Robot.recover`."""
        try:
            self._robot.recover_from_errors()
        except franky.CommandException as error:
            raise ArmFaultError(f"the robot refused to recover: {error}") from error
        except _LOST as error:
            raise _lost(error) from error

    def abandon(self) -> None:
        """See `Robot.abandon`."""
        _hang_up(self._peer)

    def _start(self, motion: franky.BaseJointVelocityMotion) -> None:
        try:
            with self._scheduling.lent():
                self._robot.move(motion, asynchronous=True)
        except (franky.ControlException, franky.CommandException) as error:
            raise MotionAbortedError(str(error)) from error
        except _LOST as error:
            raise _lost(error) from error


class FrankyHand:
    """Implements `franka_robot.Hand`."""

    def __init__(self, hand: franky.Gripper, width_m: float, config: FrankyConfig) -> None:
        """Takes a connected, homed hand."""
        self._hand, self._width_m = hand, width_m
        self._speed_m_s, self._force_n = config.gripper_speed_m_s, config.gripper_force_n
        self._under_way: franky.BoolFuture | None = None

    @property
    def version(self) -> int:
        """Of the hand's control interface."""
        return int(self._hand.server_version)

    def opening(self) -> float:
        """See `Hand.opening`."""
        try:
            return min(max(float(self._hand.width) / self._width_m, 0.0), 1.0)
        except _LOST as error:
            raise _lost(error) from error

    def start(self, opening: float) -> None:
        """See `Hand.start`. Closeable grasps, with force, at whatever width a thing is met."""
        width_m = opening * self._width_m
        closing = opening < self.opening()
        try:
            if closing:
                # With tolerances as wide as the stroke nothing counts as failed, grasped or not.
                self._under_way = self._hand.grasp_async(
                    width_m, self._speed_m_s, self._force_n, self._width_m, self._width_m
                )
            else:
                self._under_way = self._hand.move_async(width_m, self._speed_m_s)
        except _LOST as error:
            raise _lost(error) from error

    def wait(self, timeout_s: float) -> bool:
        """See `Hand.wait`."""
        if self._under_way is None:
            return True
        try:
            if not self._under_way.wait(timeout_s):
                return False
            reached = self._under_way.get()
        except franky.CommandException as error:
            self._under_way = None
            raise HandError(str(error)) from error
        except _LOST as error:
            raise _lost(error) from error
        self._under_way = None
        if not reached:
            raise HandError("the hand reports a failure")
        return True


def _plain(pose: franky.Affine) -> tuple[Array, Array]:
    return np.asarray(pose.translation).ravel(), np.asarray(pose.quaternion).ravel()


def _names_of(state: franky.RobotState) -> tuple[str, ...]:
    sources = (state.current_errors, state.last_motion_errors)
    return tuple(name for name in _ERRORS if any(getattr(errors, name) for errors in sources))


def _lost(error: Exception) -> ArmConnectionError:
    return ArmConnectionError(
        f"the connection to the robot broke: {error}; check the cable and that the robot is "
        "switched on; the next attempt to connect comes by itself"
    )
