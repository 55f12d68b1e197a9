"""The commanded target: where it starts, how it moves within the limits, when it expires."""

from collections import Counter
from collections.abc import Callable

from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig, Pacing
from tmrl_controller.decisions import ArmCommand, CommandMode
from tmrl_controller.limiter import Limit, Motion, Move, Setpoint, limit_move


class SetpointStream:
    """Turns wanted moves into commands for the driver; the only place that makes commands.

    Attributes:
        limits_acted: How often each limit changed a move, since the start.
    """

    def __init__(
        self,
        config: ControllerConfig,
        clock: StampingClock,
        arm: ArmMonitor,
        emit: Callable[[ArmCommand], None],
    ) -> None:
        """Starts without a target.

        Args:
            config: What the rig allows.
            clock: Paces and stamps.
            arm: What is known about the arm.
            emit: Takes the commands.
        """
        self._limits = config.motion_limits
        self._grace_s = config.setpoint_grace_s
        self._lock_step = config.pacing == Pacing.LOCK_STEP
        self._clock = clock
        self._arm = arm
        self._emit = emit
        self._motion: Motion | None = None
        self._expires_s: float | None = None
        self._stop_due = False
        self._sequence = 0
        self._moved_at_state = -1
        self.limits_acted: Counter[Limit] = Counter()

    @property
    def target(self) -> Setpoint:
        """The last commanded target.

        Raises:
            RuntimeError: Nothing was anchored yet.
        """
        if self._motion is None:
            raise RuntimeError("there is no target yet; anchor at the measured pose first")
        return self._motion.setpoint

    @property
    def world_has_answered(self) -> bool:
        """Whether the next move may be commanded; in lock-step one per arm state."""
        return not self._lock_step or self._arm.newest_sequence != self._moved_at_state

    def anchor(self, setpoint: Setpoint) -> None:
        """Moves start from here, at rest."""
        self._motion = Motion.at_rest(setpoint)

    def advance(self, move: Move, dt_s: float) -> bool:
        """Commands a move, as far as the limits allow it.

        Args:
            move: The wanted change of the target.
            dt_s: Time for it, at most the control period, s.

        Returns:
            Whether a limit changed the move.

        Raises:
            NotFiniteError: The move or the measured pose is not finite; nothing was commanded.
            RuntimeError: There is no anchor or no arm state.
        """
        measured = self._arm.measured
        if self._motion is None or measured is None:
            raise RuntimeError("a move needs an anchor and an arm state")
        limited = limit_move(self._limits, self._motion, move, measured, dt_s)
        self._motion = limited.motion
        self.limits_acted.update(limited.acted)
        valid_for_s = dt_s + self._grace_s
        self._expires_s = self._clock.now_s() + valid_for_s
        self._stop_due = False
        self._moved_at_state = self._arm.newest_sequence
        self._command(CommandMode.CARTESIAN_POSE, limited.motion.setpoint, dt_s, valid_for_s)
        return bool(limited.acted)

    def stop(self) -> None:
        """Asks for a hold; the last setpoint is void and the next move starts from rest."""
        self._expires_s = None
        self._stop_due = True
        if self._motion is not None:
            self._motion = Motion.at_rest(self._motion.setpoint)

    def settle(self, *, latched: bool) -> None:
        """Commands a hold where one is due: asked for, after the last setpoint expired, or latched.

        Args:
            latched: Whether an e-stop or a fault is latched; then the hold is repeated every tick.
        """
        if self._expires_s is not None and self._clock.now_s() >= self._expires_s:
            self.stop()
        measured = self._arm.measured
        target = self._motion.setpoint if self._motion is not None else measured
        # In lock-step the world stands still by itself and every command would have to mean a step.
        if (self._stop_due or latched) and target is not None and not self._lock_step:
            self._command(CommandMode.HOLD, target, 0.0, self._grace_s)
        self._stop_due = False

    def _command(
        self, mode: CommandMode, target: Setpoint, duration_s: float, valid_for_s: float
    ) -> None:
        self._sequence += 1
        self._emit(
            ArmCommand(
                mode=mode,
                sequence=self._sequence,
                arm_state_sequence=self._arm.newest_sequence,
                target=target,
                duration_s=duration_s,
                valid_for_s=valid_for_s,
                stamp_s=self._clock.stamp_s(),
            )
        )
