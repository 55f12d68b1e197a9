"""What a Franka's joints do next: one stream of joint velocities, whatever was commanded.

Joint velocities, poses and the way home all end as velocities at the stream's rate, so that nothing
must stop when one follows the other. Poses become joint positions (redundant_ik) and setpoints
between them; the distance from the setpoint is closed in proportion. No threads, no vendor.
"""

from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from tmrl_arm.driver import CommandRefusedError, Fault
from tmrl_arm.franka.franka_robot import RobotMode, RobotSample
from tmrl_arm.franka.franky_config import FrankyConfig
from tmrl_arm.franka.redundant_ik import Chain, solve
from tmrl_arm.setpoints import MotionLimits, SetpointStream
from tmrl_common.arm import ArmCommand, CommandMode

Array = NDArray[np.float64]

_AT_REST_RAD_S = 0.005
_HOME_RAD = 0.01
_MOST_STEPS = 10
_LIMIT_GAIN = 4.0
_NEWS_S = 1.0
"""How much later than the state the news of an aborted motion may come."""


class _Doing(Enum):
    RESTING = auto()
    TURNING = auto()
    """Joint velocities as commanded."""
    FOLLOWING = auto()
    """Setpoints towards a pose."""
    HOMING = auto()


class FrankaControl:
    """Turns commands into joint velocities, by the newest sample of the robot."""

    def __init__(self, config: FrankyConfig, chain: Chain, sample: RobotSample) -> None:
        """Starts at rest where the robot is.

        Args:
            config: Limits and gains.
            chain: The robot's kinematics.
            sample: Its state.
        """
        self._config, self._chain = config, chain
        self._sample = sample
        self._doing = _Doing.RESTING
        self._speed: Array = np.zeros(7)
        self._stream = self._new_stream(config.max_velocity_rad_s)
        self._expires_s = float("-inf")
        self._stepped_s = float("-inf")
        self._aborted = ""
        self._explained_until_s = float("-inf")

    @property
    def homing(self) -> bool:
        """Whether the robot is on its way home."""
        return self._doing is _Doing.HOMING

    @property
    def at_rest(self) -> bool:
        """Whether the joints are to stand still."""
        return self._doing is _Doing.RESTING

    @property
    def fault(self) -> Fault | None:
        """Why the robot does not move; None while healthy."""
        return fault_of(self._sample, self._aborted)

    def command(self, command: ArmCommand, now_s: float) -> None:
        """Takes a movement in.

        Raises:
            CommandRefusedError: A fault, or the pose cannot be reached; the robot stops.
        """
        try:
            self._refuse_in_fault()
            if command.mode == CommandMode.JOINT_VELOCITY:
                self._speed = command.joint_velocity_rad_s.copy()
                self._doing = _Doing.TURNING
            else:
                self._follow(command)
        except CommandRefusedError:
            self.stop()
            raise
        self._expires_s = now_s + command.valid_for_s
        self._stepped_s = now_s if self._doing is _Doing.TURNING else max(self._stepped_s, now_s)

    def home(self, now_s: float) -> None:
        """Sets off to the rest pose.

        Raises:
            CommandRefusedError: There is a fault.
        """
        self.stop()
        self._refuse_in_fault()
        self._stream = self._new_stream(self._config.home_velocity_rad_s)
        target_rad = np.array(self._config.home_joint_rad)
        self._stream.aim(target_rad, arrive_in_s=0.0)
        self._doing = _Doing.HOMING
        self._expires_s, self._stepped_s = float("inf"), now_s

    def stop(self) -> None:
        """No movement any more."""
        self._doing = _Doing.RESTING

    def abort(self, reason: str, now_s: float) -> None:
        """The robot ended a motion by itself: a fault until `recovered`."""
        if now_s >= self._explained_until_s:
            self._aborted = reason
        self.stop()

    def recovered(self) -> None:
        """The robot has cleared its errors."""
        self._aborted = ""
        self.stop()

    def tick(self, sample: RobotSample, now_s: float) -> Array | None:
        """What the joints are to do now.

        Args:
            sample: The newest state.
            now_s: By the clock of the commands, s.

        Returns:
            Joint velocities, shape (7,), rad/s; None: come to rest, or stay there.
        """
        self._sample = sample
        if sample.mode in _SENTENCES:
            # The mode says why a motion ends, and when it is over nothing is left to clear.
            self._aborted = ""
            self._explained_until_s = now_s + _NEWS_S
        if self.fault is not None or now_s >= self._expires_s:
            self.stop()
        if self._doing is _Doing.RESTING:
            return None
        if self._doing is _Doing.TURNING:
            return self._within_limits(self._speed)
        return self._towards_setpoint(now_s)

    def _follow(self, command: ArmCommand) -> None:
        was_following = self._doing is _Doing.FOLLOWING
        config = self._config
        stream = self._stream if was_following else self._new_stream(config.max_velocity_rad_s)
        target_rad = solve(
            self._chain,
            command.position_m,
            command.quaternion_xyzw,
            stream.target_rad if was_following else stream.position_rad,
            (config.low_rad, config.high_rad),
            np.array(config.home_joint_rad),
        )
        stream.aim(target_rad, config.stretch * command.duration_s)
        if not was_following:
            self._stepped_s = float("-inf")
        self._stream, self._doing = stream, _Doing.FOLLOWING

    def _new_stream(self, max_velocity_rad_s: float) -> SetpointStream:
        """Setpoints from where the robot is, at the speed that it has."""
        config, sample = self._config, self._sample
        limits = MotionLimits(
            config.low_rad, config.high_rad, max_velocity_rad_s, config.max_acceleration_rad_s2
        )
        stream = SetpointStream(limits, 1.0 / config.stream_rate_hz, sample.joint_position_rad)
        speed = sample.joint_velocity_rad_s
        stream.velocity_rad_s = np.where(np.abs(speed) < _AT_REST_RAD_S, 0.0, speed)
        return stream

    def _towards_setpoint(self, now_s: float) -> Array:
        stream = self._stream
        period_s = 1.0 / self._config.stream_rate_hz
        steps = int((now_s - self._stepped_s) / period_s)
        for _ in range(min(steps, _MOST_STEPS)):
            stream.step()
        # After a longer pause of this process the setpoints resume from where they were.
        self._stepped_s = now_s if steps > _MOST_STEPS else self._stepped_s + steps * period_s
        off_rad = stream.position_rad - self._sample.joint_position_rad
        if self.homing and stream.at_rest and np.abs(off_rad).max() < _HOME_RAD:
            self.stop()
        speed = stream.velocity_rad_s + self._config.tracking_gain * off_rad
        return self._within_limits(speed)

    def _within_limits(self, speed: Array) -> Array:
        """Slower as a whole where a joint would be too fast, slower near the joints' limits."""
        config = self._config
        excess = float(np.max(np.abs(speed) / config.limits.velocity_rad_s))
        speed = speed / max(excess, 1.0)
        position = self._sample.joint_position_rad
        down = np.minimum(_LIMIT_GAIN * (config.low_rad - position), 0.0)
        up = np.maximum(_LIMIT_GAIN * (config.high_rad - position), 0.0)
        return np.clip(speed, down, up)

    def _refuse_in_fault(self) -> None:
        fault = self.fault
        if fault is not None:
            raise CommandRefusedError(fault.sentence)


_SENTENCES = {
    RobotMode.OTHER: (
        "the robot is in mode Other, expected is Idle: in Desk unlock the joints, activate FCI, "
        "and put the robot into execution mode"
    ),
    RobotMode.GUIDING: "the robot is guided by hand, expected is Idle: let go of its buttons",
    RobotMode.USER_STOPPED: (
        "the robot is stopped by its user stop, expected is Idle: make sure that nobody is in its "
        "reach, then release the stop"
    ),
    RobotMode.RECOVERING: "the robot is recovering from an error; wait",
}


def fault_of(sample: RobotSample, aborted: str) -> Fault | None:
    """What keeps the robot from moving.

    Args:
        sample: Its state.
        aborted: Why it ended a motion by itself; empty where it did not.

    Returns:
        None while nothing does.
    """
    if sample.mode in _SENTENCES:
        return Fault(_SENTENCES[sample.mode], may_recover_alone=False)
    if sample.mode is RobotMode.REFLEX:
        errors = ", ".join(sample.errors) or aborted or "no reason given"
        return Fault(
            f"the robot stopped itself with a reflex ({errors}): see what it touched and clear the "
            "way; after collisions without contact raise the collision thresholds",
            may_recover_alone=True,
        )
    if aborted:
        return Fault(f"the robot ended the motion: {aborted}", may_recover_alone=True)
    return None
