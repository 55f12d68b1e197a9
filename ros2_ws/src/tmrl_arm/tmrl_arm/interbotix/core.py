"""Decides what the WidowX does: commands, home, faults. No threads; somebody calls `tick`."""

from collections import deque

import numpy as np

from tmrl_arm.driver import (
    ArmConnectionError,
    ArmFaultError,
    ArmReading,
    CommandRefusedError,
    Fault,
)
from tmrl_arm.interbotix.bus import Array, Bus, JointSample
from tmrl_arm.interbotix.config import JOINTS, InterbotixConfig
from tmrl_arm.interbotix.health import JointWatch, MotorPoll, nonsense_in
from tmrl_arm.interbotix.kinematics import (
    UnreachableError,
    forward,
    inverse,
    quaternion_of,
    tool_down,
)
from tmrl_arm.interbotix.motors import Motors
from tmrl_arm.setpoints import MotionLimits, SetpointStream
from tmrl_common.arm import ArmCommand, CommandMode
from tmrl_common.clock import Clock

_SLACK_RAD = 0.1
_CATCH_UP_S = 0.2
"""A target that the arm lags behind may be reached so much later than it asks for."""
_MOST_BEHIND_S = 0.5
"""Further behind, in seconds of full speed, nobody could say any more which way the arm takes."""
_REPEATS = 10
"""The last setpoint is sent so often: the motors do not acknowledge what they receive."""


class InterbotixCore:
    """One WidowX on an open bus.

    Attributes:
        lost: Why there is no connection any more; empty while there is one.
        ik_failures: Targets that were refused because no joint positions reach them.
    """

    def __init__(self, config: InterbotixConfig, bus: Bus, clock: Clock, fault: str = "") -> None:
        """Checks the arm and prepares it; it does not move.

        Args:
            config: The lab's settings.
            bus: Open, with joint states.
            clock: For ages and time-outs.
            fault: What a person must confirm (arm/recover) before the arm moves; empty: nothing.

        Raises:
            ArmConnectionError: It is another arm, in another mode, or does not answer.
        """
        self._config, self._bus, self._clock = config, bus, clock
        self._motors = Motors(bus, config)
        self._motors.check_model()
        problem = self._motors.problem()
        sample = bus.newest()
        if sample is None or nonsense_in(sample):
            raise ArmConnectionError(problem or (nonsense_in(sample) if sample else "no state"))
        if not problem:
            self._motors.set_profile()
            problem = self._limpness()
        self._fault = problem or fault
        self.lost = ""
        self.ik_failures = 0
        self._expires_s = np.inf
        self._legs: deque[Array] = deque()
        self._homing = False
        self._watch_from(sample)
        self._gripper = self._opening(sample)

    def _limpness(self) -> str:
        """Why the arm does not hold itself, or may not; empty where it does."""
        try:
            return _limp_sentence(self._motors.limp())
        except ArmFaultError as error:
            return str(error)

    def _watch_from(self, sample: JointSample) -> None:
        """Forgets the past: set points, watch and poll start at this sample."""
        config = self._config
        limits = MotionLimits(
            low_rad=config.joint_low_rad,
            high_rad=config.joint_high_rad,
            velocity_rad_s=config.max_joint_velocity_rad_s,
            acceleration_rad_s2=config.max_joint_acceleration_rad_s2,
        )
        period_s = 1.0 / config.stream_rate_hz
        self._stream = SetpointStream(limits, period_s, sample.position_rad)
        self._watch = JointWatch(config, sample)
        self._poll = MotorPoll(config, self._bus)
        self._writes_left = 0

    @property
    def at_rest(self) -> bool:
        """Whether nothing more will be sent to the motors."""
        return self._stream.at_rest and not self._writes_left and not self._homing

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        self._check_connection()
        good = self._watch.good
        position_m, rotation = forward(good.position_rad)
        return ArmReading(
            measured_s=good.received_s,
            joint_position_rad=good.position_rad.copy(),
            joint_velocity_rad_s=good.velocity_rad_s.copy(),
            joint_effort_nm=np.zeros(0),
            tool_position_m=position_m,
            tool_quaternion_xyzw=quaternion_of(rotation),
            gripper_opening=self._opening(good),
            gripper_commanded=self._gripper,
            homing=self._homing,
            holding=self._stream.at_rest and not self._homing and self._expires_s == np.inf,
            fault=Fault(self._fault, may_recover_alone=False) if self._fault else None,
        )

    def command(self, command: ArmCommand) -> None:
        """See `ArmDriver.command`."""
        self._check_connection()
        if command.mode == CommandMode.HOLD:
            self.stop()
            return
        try:
            self._refuse_while_faulty()
            self._anchor()
            target_rad = self._reach(command.position_m, command.quaternion_xyzw)
            allowed_s = command.duration_s * self._config.stretch
            self._check_speed(target_rad, command)
        except CommandRefusedError:
            self.stop()
            raise
        self._end_home()
        self._stream.aim(target_rad, allowed_s)
        self._expires_s = self._clock.now_s() + command.valid_for_s
        closed_m, open_m = self._config.finger_closed_m, self._config.finger_open_m
        self._bus.write_gripper(closed_m + command.gripper_opening * (open_m - closed_m))
        self._gripper = command.gripper_opening

    def stop(self) -> None:
        """See `ArmDriver.stop`."""
        self._check_connection()
        self._end_home()
        self._stream.brake()
        self._expires_s = np.inf

    def home(self) -> None:
        """See `ArmDriver.home`."""
        self._check_connection()
        self.stop()
        self._refuse_while_faulty()
        self._anchor()
        position_m, rotation = forward(self._stream.position_rad)
        above_m = position_m.copy()
        above_m[2] = max(position_m[2], self._config.home_position_m[2])
        try:
            lifted = self._reach(above_m, quaternion_of(rotation))
            home = tool_down(np.array(self._config.home_position_m), self._limits_rad)
        except UnreachableError as error:
            raise CommandRefusedError(
                f"there is no safe way home, the tool cannot be lifted where it is: {error}"
            ) from error
        self._legs.extend((lifted, home))
        self._homing = True

    def recover(self) -> None:
        """See `ArmDriver.recover`."""
        self._check_connection()
        if not self._fault:
            return
        problem = self._motors.problem()
        if problem:
            self._fault = problem
            raise ArmFaultError(problem)
        self._motors.set_profile()
        if self._motors.limp():
            self._motors.stiffen(self._sound_sample().position_rad)
        self._watch_from(self._sound_sample())
        self._fault = ""

    def _sound_sample(self) -> JointSample:
        sample = self._bus.newest()
        nonsense = nonsense_in(sample) if sample else "there are no joint states"
        if nonsense or sample is None:
            raise ArmFaultError(nonsense)
        return sample

    def tick(self) -> None:
        """Looks at the arm and sends the next setpoint; to be called at the stream's rate."""
        if self.lost:
            return
        now_s = self._clock.now_s()
        sample = self._bus.newest()
        age_s = now_s - sample.received_s if sample else np.inf
        if sample is None or age_s > self._config.state_timeout_s:
            self.lost = (
                f"no joint states for {age_s:.2f} s: the vendor's driver died, hangs, or lost its "
                "USB cable. The motors hold their last target; start it again and look at the arm"
            )
            return
        trouble = self._watch.look(sample, self._stream.position_rad)
        if trouble is not None and not self._fault:
            self._fault = trouble.sentence
            self.stop()
            if trouble.pressing:
                # Leading the joint back to where it is takes the pressure off what blocks it.
                self._stream.aim(self._watch.good.position_rad, 1.0)
        if not self._motors.simulated:
            self._look_at_motors(now_s)
        if now_s >= self._expires_s:
            self.stop()
        self._next_setpoint()

    def _look_at_motors(self, now_s: float) -> None:
        problem = self._poll.look(now_s)
        if not problem:
            return
        if not self._fault:
            self.stop()
        # The error register names the motor, which joint states alone cannot.
        self._fault = problem

    def _next_setpoint(self) -> None:
        stream = self._stream
        if stream.at_rest and self._homing:
            if self._legs:
                target_rad = self._legs.popleft()
                way_rad = float(np.abs(target_rad - stream.position_rad).max())
                stream.aim(target_rad, way_rad / self._config.home_velocity_rad_s)
            elif not self._writes_left:
                # The motors have had the time of the repeats to follow the last setpoint.
                self._homing = False
        if not stream.at_rest:
            stream.step()
            self._writes_left = _REPEATS
        if self._writes_left:
            self._bus.write_arm(stream.position_rad)
            self._writes_left -= 1

    def _anchor(self) -> None:
        """Sets off from where the arm is, if it was moved by hand or sank while it stood still."""
        here_rad = self._watch.good.position_rad
        if self.at_rest and np.abs(here_rad - self._stream.position_rad).max() > _SLACK_RAD:
            self._watch_from(self._watch.good)

    def _end_home(self) -> None:
        self._legs.clear()
        self._homing = False

    def _reach(self, position_m: Array, quaternion_xyzw: Array) -> Array:
        try:
            return inverse(position_m, quaternion_xyzw, self._stream.position_rad, self._limits_rad)
        except UnreachableError:
            self.ik_failures += 1
            raise

    def _check_speed(self, target_rad: Array, command: ArmCommand) -> None:
        """Refuses a leap; what only lags, as after a late tick, catches up within the limits."""
        stream, most = self._stream, self._config.max_joint_velocity_rad_s
        allowed_s = max(
            command.duration_s * self._config.stretch, min(command.valid_for_s, _CATCH_UP_S)
        )
        way_rad, behind = np.abs(target_rad - stream.position_rad), ""
        if self._clock.now_s() < self._expires_s < np.inf:
            # A movement is valid: the arm is on its way to a target that was allowed.
            step_rad = np.abs(target_rad - stream.target_rad)
            far = way_rad > most * _MOST_BEHIND_S
            if far.any() and (step_rad <= most * allowed_s).all():
                behind = f", {_MOST_BEHIND_S:g} s of its full speed behind its targets,"
            way_rad = np.where(far, way_rad, np.minimum(way_rad, step_rad))
        speed = way_rad / allowed_s
        for joint in np.flatnonzero(speed > most).tolist():
            raise CommandRefusedError(
                f"{JOINTS[joint]}{behind} would need to turn at {speed[joint]:.2f} rad/s to be "
                f"there in time, its limit is {most:.2f}: send nearer targets, or give more time"
            )

    def _refuse_while_faulty(self) -> None:
        if self._fault:
            raise CommandRefusedError(f"the arm has a fault: {self._fault}")

    def _check_connection(self) -> None:
        if self.lost:
            raise ArmConnectionError(self.lost)

    @property
    def _limits_rad(self) -> tuple[Array, Array]:
        return self._config.joint_low_rad, self._config.joint_high_rad

    def _opening(self, sample: JointSample) -> float:
        closed_m, open_m = self._config.finger_closed_m, self._config.finger_open_m
        return float(np.clip((sample.finger_m - closed_m) / (open_m - closed_m), 0.0, 1.0))


def _limp_sentence(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return (
        f"{', '.join(names)} without torque: the arm is limp. Bring it by hand to where it should "
        "hold, then call arm/recover: it switches the torque on where the arm is"
    )
