"""The commanded target: where it starts, how it moves within the limits, when it expires."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tmrl_common.geometry import IDENTITY_QUATERNION
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig, Pacing
from tmrl_controller.decisions import LimitedCommand
from tmrl_controller.hold_confirmation import unconfirmed
from tmrl_controller.lease import MotionLease
from tmrl_controller.limiter import Limit, Limited, Motion, Setpoint

Limiting = Callable[[Motion, Setpoint], Limited]
"""Takes the last commanded motion and where the arm is, and lets through what the limits allow."""

_REPETITIONS = 2
"""Of a state, after a command: the first may have been sent before the command came."""
_HOLD_AGAIN_S = 0.1
"""A driver answers within a few of its states; by then the hold was lost, as one is that was sent
while driver and controller were still finding each other."""
_ANYWHERE = Setpoint(np.zeros(3), IDENTITY_QUATERNION, 0.0)
"""Where to hold still before anything is known of the arm: a driver needs no pose to stop."""


class SetpointStream:
    """Turns what the limiter let through into commands; the only place that makes commands.

    Attributes:
        limits_acted: How often each limit changed what was wanted, since the start.
    """

    def __init__(
        self,
        config: ControllerConfig,
        clock: StampingClock,
        arm: ArmMonitor,
        emit: Callable[[LimitedCommand], None],
    ) -> None:
        """Starts without a target.

        Args:
            config: What the rig allows.
            clock: Paces and stamps.
            arm: What is known about the arm.
            emit: Takes the commands.
        """
        self._grace_s = config.setpoint_grace_s
        self._lock_step = config.pacing == Pacing.LOCK_STEP
        self._clock = clock
        self._arm = arm
        self._emit = emit
        self._motion: Motion | None = None
        self._lease = MotionLease()
        self._stop_due = False
        self._held_by: int | None = None
        self._hold_sent_s = 0.0
        self._sequence = 0
        self._moved_at_state = -1
        self._moved_by = self._repeated_before = 0
        self.limits_acted: Counter[Limit] = Counter()

    @property
    def motion(self) -> Motion:
        """The last commanded target and its velocity.

        Raises:
            RuntimeError: Nothing was anchored yet.
        """
        if self._motion is None:
            raise RuntimeError("there is no target yet; anchor at the measured pose first")
        return self._motion

    @property
    def target(self) -> Setpoint:
        """The last commanded target; raises as `motion` does."""
        return self.motion.setpoint

    @property
    def world_has_answered(self) -> bool:
        """Whether the next move may be commanded; in lock-step one per arm state."""
        newest = self._arm.newest
        if not self._lock_step or newest is None or newest.sequence != self._moved_at_state:
            return True
        # A later command was taken, so the movement was lost: no state will answer it.
        return self._moved_by < newest.last_command_sequence <= self._sequence

    @property
    def _hold_is_lost(self) -> bool:
        """Whether the driver had time to take the hold and has not."""
        newest = self._arm.newest
        if self._held_by is None or (newest and newest.last_command_sequence >= self._held_by):
            return False
        if self._lock_step:
            return self._world_repeats_itself
        return self._clock.now_s() - self._hold_sent_s >= _HOLD_AGAIN_S

    @property
    def _world_repeats_itself(self) -> bool:
        """Whether a world that is alive has not taken the last movement or hold, in lock-step."""
        return self._arm.repeated >= self._repeated_before + _REPETITIONS

    def anchor(self, setpoint: Setpoint) -> None:
        """Moves start from here, at rest; joints in motion resume from their velocity."""
        last, self._motion = self._motion, Motion.at_rest(setpoint)
        if last is not None and self.moving:
            velocity_rad_s = last.joint_velocity_rad_s
            self._motion = replace(self._motion, joint_velocity_rad_s=velocity_rad_s)

    @property
    def moving(self) -> bool:
        """Whether the last movement is still valid."""
        return self._lease.granted

    def parted(self, why: Callable[[Setpoint, Setpoint], str]) -> str:
        """Why the next move cannot resume from the target; empty while the last one is valid.

        Args:
            why: Takes target and measured pose, see `ActionSpace.parted`.
        """
        if self.moving and not self._lease.over(self._clock.now_s()):
            return ""
        return why(self.target, self._arm.measured or self.target)

    def advance(self, limiting: Limiting, dt_s: float) -> bool:
        """Commands a movement, as far as the limits allow it.

        Args:
            limiting: What is wanted, brought within the limits.
            dt_s: Time for it, at most the control period, s.

        Returns:
            Whether a limit changed what was wanted.

        Raises:
            InputRefusedError: What is wanted, or the measured pose, is not finite; nothing was
                commanded.
            RuntimeError: There is no anchor or no arm state.
        """
        measured = self._arm.measured
        if self._motion is None or measured is None:
            raise RuntimeError("a move needs an anchor and an arm state")
        limited = limiting(self._motion, measured)
        self._motion = limited.motion
        self.limits_acted.update(limited.acted)
        valid_for_s = dt_s + self._grace_s
        self._lease.grant(self._clock.now_s(), valid_for_s)
        self._stop_due, self._held_by = False, None
        self._moved_at_state = self._arm.newest_sequence
        self._repeated_before = self._arm.repeated
        self._command(limited, dt_s, valid_for_s)
        self._moved_by = self._sequence
        return bool(limited.acted)

    def stop(self) -> None:
        """Asks for a hold; the last setpoint is void and the next move starts from rest."""
        self._lease.revoke()
        self._stop_due, self._held_by = True, None
        if self._motion is not None:
            self._motion = Motion.at_rest(self._motion.setpoint)

    def abandon(self) -> LimitedCommand:
        """Forgets the target after an error; the hold for it needs nothing that may be broken."""
        self._lease.revoke()
        self._motion = None
        self._stop_due, self._held_by = False, None
        self._sequence += 1
        return LimitedCommand(_ANYWHERE, self._sequence, 0, 0.0, self._grace_s, 0)

    def settle(self, *, latched: bool) -> None:
        """Commands a hold where one is due: asked for, after the last setpoint expired, or latched.

        Args:
            latched: Whether an e-stop or a fault is latched; then the hold is repeated every tick.
                Otherwise one is enough, and only one that its driver has not taken is repeated.
        """
        if self._lease.over(self._clock.now_s()):
            self.stop()
            # In lock-step the world stands still by itself.
            self._stop_due = not self._lock_step
        # There a hold waits for the answer to the last movement, which would never come if the hold
        # overtook it.
        due = self._stop_due and (self.world_has_answered or self._world_repeats_itself)
        if due or self._hold_is_lost or (latched and not self._lock_step):
            known = self._motion.setpoint if self._motion is not None else self._arm.measured
            self._command(known or _ANYWHERE, 0.0, self._grace_s)
            self._hold_sent_s, self._repeated_before = self._clock.now_s(), self._arm.repeated
        if due:
            self._stop_due, self._held_by = False, self._sequence

    def unconfirmed(self) -> str:
        """Why nobody can say yet that the arm holds; empty where its driver says so."""
        if self._held_by is not None:
            return unconfirmed(self._held_by, self._sequence, self._arm.newest)
        if self._stop_due:
            return "the simulation has not answered the last movement: see whether it is alive"
        return "the arm was set moving again meanwhile: call controller/hold again"

    def _command(self, goal: Limited | Setpoint, duration_s: float, valid_for_s: float) -> None:
        self._sequence += 1
        self._emit(
            LimitedCommand(
                goal=goal,
                sequence=self._sequence,
                arm_state_sequence=self._arm.newest_sequence,
                duration_s=duration_s,
                valid_for_s=valid_for_s,
                stamp_ns=self._clock.stamp_ns(),
            )
        )
