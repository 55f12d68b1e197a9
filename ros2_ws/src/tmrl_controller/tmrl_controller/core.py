"""Decides, tick by tick, what the arm does: the only way from a chunk or a device to the driver.

Inputs only change what is known; `tick` draws the conclusions and returns them. The same core runs
in the node and in a loop without ROS. It is not safe to share between threads without a lock.
"""

import math
from functools import partial

from tmrl_common.arm import ArmState
from tmrl_common.chunks import (
    ActionChunk,
    ChunkResult,
    ControllerMode,
    Driver,
    Preemption,
    RefusalCode,
)
from tmrl_common.service_reply import ServiceReply
from tmrl_common.types import SteeringLimits
from tmrl_controller.action_spaces import action_space_of
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.chunk_gate import ChunkGate
from tmrl_controller.chunk_ledger import ChunkExecution, ChunkLedger
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig, Pacing
from tmrl_controller.decisions import ControllerStatus, Decision, LimitedCommand
from tmrl_controller.inputs import TeleopCommand
from tmrl_controller.limiter import InputRefusedError, Setpoint
from tmrl_controller.mode import Event, ModeMachine, ModeRefusedError
from tmrl_controller.refusals import Refusal
from tmrl_controller.setpoints import Limiting, SetpointStream
from tmrl_controller.splice import Splice
from tmrl_controller.status import StatusBoard
from tmrl_controller.step_record import OpenStep
from tmrl_controller.teleop import DeadManSwitch
from tmrl_controller.teleop_gate import TeleopGate


class ControllerCore:
    """Executes chunks and teleop within the limits; holds whenever in doubt."""

    def __init__(self, config: ControllerConfig, clock: StampingClock) -> None:
        """Starts in hold.

        Args:
            config: What the rig allows.
            clock: Paces and stamps; in simulation it follows the stamps of the arm states.
        """
        self._config = config
        self._clock = clock
        self._lock_step = config.pacing == Pacing.LOCK_STEP
        self._limits = config.tool_limits
        self._space = action_space_of(config)
        self._modes = ModeMachine()
        self._gate = ChunkGate(config)
        self._arm = ArmMonitor(config.robot, config.max_arm_state_age_s, config.joints)
        self._switch = DeadManSwitch(config.max_teleop_age_s)
        self._teleop = TeleopGate(config, clock, self._switch)
        self._setpoints = SetpointStream(config, clock, self._arm, self._emit)
        self._chunks = ChunkLedger(config, clock, self._arm, self._emit)
        self._splice = Splice(config, self._space, self._chunks, self._setpoints)
        parts = (self._modes, self._gate, self._arm, self._chunks, self._setpoints)
        self._board = StatusBoard(clock, *parts)
        self._anchored_episode: tuple[str, int] | None = None
        self._last_end_s = clock.now_s()
        self._last_teleop_s = -math.inf
        self._policy_before_teleop = False
        self._abandoned = ""
        self._decisions: list[Decision] = []

    # Inputs

    def on_arm_state(self, state: ArmState) -> None:
        """Takes a measured state in; a bad one latches a fault."""
        self._arm.receive(state, self._clock.now_s())
        if problem := self._arm.problem():
            self._fault(problem)

    def on_chunk(self, chunk: ActionChunk) -> None:
        """Judges a chunk; an accepted one begins when the period, or what it continues, is over."""
        age_s = self._arm.age_s(chunk.arm_state_sequence, self._clock.now_s())
        refusal = self._gate.judge(chunk, age_s) or self._splice.judge_arrival(chunk)
        broken = refusal is not None and refusal.code is RefusalCode.NOT_FINITE
        if self._modes.mode is not ControllerMode.POLICY and not broken:
            refusal = Refusal(RefusalCode.NOT_IN_POLICY_MODE, self._modes.sentence)
        if refusal is None:
            self._gate.admit(chunk)
            self._chunks.wait(chunk)
            return
        self._refuse(chunk, refusal)
        if broken and self._modes.mode is not ControllerMode.TELEOP:
            # The next chunk would come from the same broken weights: a person must look. One who
            # drives does so already, and must not lose the arm over it.
            self._fault(refusal.reason)

    def on_teleop(self, command: TeleopCommand) -> None:
        """Takes a reading of a person's device in."""
        arm = self._arm.newest
        if refusal := self._teleop.take(command, arm.frame_id if arm else ""):
            self._board.on_refusal(refusal.code, refusal.reason)

    def on_listeners(self, commands: int, outcomes: int) -> None:
        """Takes in how many hear the commands for the arm and the outcomes of chunks."""
        self._board.on_listeners(commands, outcomes)

    # Requests

    def hold(self, reason: str = "hold was requested") -> ServiceReply:
        """Stops whoever drives; leaves a fault once its cause is gone.

        Args:
            reason: Why, for people.
        """
        problem = self._arm.problem() or self._arm.staleness(self._clock.now_s())
        try:
            self._modes.hold(reason, problem)
        except ModeRefusedError as error:
            return ServiceReply.refused(str(error))
        self._stop(Preemption.HOLD, reason)
        return ServiceReply.done("holding")

    def unconfirmed_hold(self) -> str:
        """Why nobody can say yet that the arm holds; empty where its driver says so."""
        return self._setpoints.unconfirmed()

    def resume(self) -> ServiceReply:
        """Lets the policy drive from where the arm is."""
        if self._modes.mode is ControllerMode.POLICY:
            return ServiceReply.done("the policy drives already")
        anchor = self._anchor()
        if isinstance(anchor, str):
            return ServiceReply.refused(anchor)
        try:
            self._modes.resume()
        except ModeRefusedError as error:
            return ServiceReply.refused(str(error))
        # The next chunk anchors again: until it comes, the arm may still be moved.
        self._anchored_episode = None
        return ServiceReply.done("the policy drives")

    def estop(self, reason: str = "e-stop was pressed") -> ServiceReply:
        """Stops and latches until a person clears it.

        Args:
            reason: Who pressed it or why, for people; the first one stays until it is cleared.
        """
        self._modes.estop(reason)
        self._stop(Preemption.ESTOP, reason)
        return ServiceReply.done(f"stopped and latched: {self._modes.reason}")

    def clear_estop(self, operator: str) -> ServiceReply:
        """Unlatches the e-stop; the arm then holds.

        Args:
            operator: Name of the person who looked at the cell.
        """
        try:
            self._modes.clear_estop(operator)
        except ModeRefusedError as error:
            return ServiceReply.refused(str(error))
        self._stop(Preemption.ESTOP, "e-stop cleared")
        return ServiceReply.done("cleared; the arm holds until controller/resume")

    def lower_caps(self, caps: SteeringLimits) -> ServiceReply:
        """Lowers caps on the steering of chunks that have not begun; none can be raised."""
        return self._gate.lower_caps(caps)

    # Conclusions

    def tick(self) -> list[Decision]:
        """Draws the conclusions of everything known by now.

        Returns:
            Commands for the driver, outcomes of chunks and a changed status, in their order.
        """
        now_s = self._clock.now_s()
        if self._abandoned:
            reason, self._abandoned = self._abandoned, ""
            self._stop(Preemption.FAULT, reason)
        drives = self._modes.mode in (ControllerMode.POLICY, ControllerMode.TELEOP)
        if drives and (staleness := self._arm.staleness(now_s)):
            self._fault(staleness)
        self._arbitrate(now_s)
        if self._modes.mode is ControllerMode.POLICY:
            self._drive_policy(now_s)
        elif self._modes.mode is ControllerMode.TELEOP:
            self._drive_teleop(now_s)
        self._setpoints.settle(latched=self._modes.latched)
        if status := self._board.changed():
            self._emit(status)
        decisions, self._decisions = self._decisions, []
        return decisions

    def status(self) -> ControllerStatus:
        """The controller as people and the agent see it."""
        return self._board.status()

    def abandon(self, reason: str) -> LimitedCommand:
        """Latches a fault after an error of this program, whatever it left half done.

        Nothing here can fail; the books are put in order by the next tick.

        Args:
            reason: What happened and what to do, for people.

        Returns:
            The hold to send at once.
        """
        self._modes.fault(reason)
        self._abandoned = reason
        # What the step reached is not known: the record ends with the step before it.
        self._chunks.step = None
        self._decisions = [d for d in self._decisions if not isinstance(d, LimitedCommand)]
        return self._setpoints.abandon()

    def arm_state_age_s(self) -> float | None:
        """Time since the newest arm state arrived, s; None before the first."""
        return self._arm.newest_age_s(self._clock.now_s())

    # Who drives

    def _arbitrate(self, now_s: float) -> None:
        wants = self._switch.wants_control(now_s)
        if self._modes.mode is ControllerMode.TELEOP and not wants:
            self._end_teleop(now_s)
        elif wants and self._modes.allows(Event.TAKEOVER):
            self._begin_teleop(now_s)

    def _begin_teleop(self, now_s: float) -> None:
        anchor = self._anchor()
        if isinstance(anchor, str):
            # A person reached for the device: the policy must not continue as if nothing happened.
            self._board.on_refusal(RefusalCode.CANNOT_START, f"teleop cannot take over: {anchor}")
            self.hold(f"teleop could not take over: {anchor}")
            return
        self._policy_before_teleop = self._modes.mode is ControllerMode.POLICY
        self._chunks.cut(Preemption.TELEOP, "a person took over", self._cut_step())
        self._modes.take_over(self._switch.device)
        self._setpoints.anchor(anchor)

    def _end_teleop(self, now_s: float) -> None:
        released = self._switch.fresh(now_s)
        reason = "the person let go" if released else "the teleop device fell silent"
        if released and self._policy_before_teleop and self._config.resume_after_teleop:
            self._modes.hand_back()
            self._anchored_episode = None
        else:
            self._modes.hold(f"{reason}; call controller/resume to let the policy drive", "")
        self._stop(Preemption.TELEOP, reason)

    def _fault(self, reason: str) -> None:
        if self._modes.allows(Event.FAULT):
            self._modes.fault(reason)
            self._stop(Preemption.FAULT, reason)

    def _stop(self, code: Preemption, reason: str) -> None:
        """Ends whatever is in progress; the person's device must be released before it drives."""
        self._switch.lock()
        self._chunks.cut(code, reason, self._cut_step())
        self._setpoints.stop()

    def _anchor(self) -> Setpoint | str:
        """The measured pose as a start for targets, or why there is none."""
        problem = self._arm.problem() or self._arm.staleness(self._clock.now_s())
        return problem or self._arm.anchor(self._limits)

    # Policy

    def _drive_policy(self, now_s: float) -> None:
        step, running = self._chunks.step, self._chunks.running
        if step is not None and running is not None:
            if not self._is_over(step, now_s):
                return
            self._end_policy_step(step, running, now_s)
        if not self._may_step(now_s):
            return
        if self._chunks.running is None:
            self._begin_waiting(now_s)
        running = self._chunks.running
        if running is not None:
            # Steps follow each other without drift: a tick that comes a little late shifts nothing.
            on_time = abs(now_s - self._last_end_s) <= self._config.tick_period_s
            start_s = self._last_end_s if on_time else now_s
            limiting = partial(self._space.limit_action, running.next_row())
            self._advance(limiting, self._config.control_period_s, Driver.POLICY, start_s)
        elif self._space.coasts and self._setpoints.moving and not self._lock_step:
            # Nothing follows: a velocity would continue until it expires.
            self._setpoints.stop()

    def _may_step(self, now_s: float) -> bool:
        """Whether a period may begin: after a stop in the middle of one, only when it is over."""
        if self._lock_step:
            return self._setpoints.world_has_answered
        tick_s = self._config.tick_period_s
        ahead_s = self._last_end_s - now_s
        # A period that ends further ahead than one can is of a clock that has gone back since.
        return not 0.5 * tick_s < ahead_s <= self._config.control_period_s + tick_s

    def _end_policy_step(self, step: OpenStep, running: ChunkExecution, now_s: float) -> None:
        late_s, grace_s = now_s - step.ends_s, self._config.setpoint_grace_s
        self._close_step()
        if running.exhausted:
            self._chunks.finish(ChunkResult.COMPLETED, None, "")
        elif self._chunks.is_superseded:
            reason = "a newer chunk took over"
            self._chunks.finish(ChunkResult.SUPERSEDED, Preemption.NEWER_CHUNK, reason)
        elif late_s > grace_s and not self._lock_step:
            reason = (
                f"the next step was due {late_s:.3f} s ago, allowed are {grace_s:.3f} s: "
                "give the controller more processor time"
            )
            self._chunks.finish(ChunkResult.PREEMPTED, Preemption.LATE_TICK, reason)

    def _begin_waiting(self, now_s: float) -> None:
        """Starts the chunk that waits, unless it grew too old or there is nowhere to start from."""
        chunk = self._chunks.take_waiting()
        if chunk is None:
            return
        age_s = self._arm.age_s(chunk.arm_state_sequence, now_s)
        refusal = self._gate.judge_again(chunk, age_s) or self._splice.judge(chunk)
        episode = (chunk.session, chunk.episode)
        if refusal is None and episode != self._anchored_episode:
            anchor = self._anchor()
            if isinstance(anchor, str):
                refusal = Refusal(RefusalCode.CANNOT_START, anchor)
            else:
                self._setpoints.anchor(anchor)
                self._anchored_episode = episode
        elif refusal is None and (parted := self._setpoints.parted(self._space.parted)):
            # Whoever moved the arm may still be at it: a person must look.
            refusal = Refusal(RefusalCode.CANNOT_START, parted)
            self.hold(parted)
        if refusal is not None:
            self._refuse(chunk, refusal)
        else:
            self._chunks.begin(chunk)

    # Teleop

    def _drive_teleop(self, now_s: float) -> None:
        tick_s, period_s = self._config.tick_period_s, self._config.control_period_s
        if not self._setpoints.world_has_answered:
            return
        step = self._chunks.step
        if step is not None and self._is_over(step, now_s):
            self._close_step()
        # Only time that has really passed is driven, so that many ticks do not make the arm fast.
        elapsed_s = now_s - self._last_teleop_s
        if not 0.0 <= elapsed_s <= tick_s:
            elapsed_s = tick_s
        if not self._lock_step and elapsed_s < 0.5 * tick_s:
            return
        dt_s = period_s if self._lock_step else elapsed_s
        self._last_teleop_s = now_s
        limiting = partial(self._space.limit_teleop, self._switch.reading, dt_s)
        self._advance(limiting, dt_s, Driver.TELEOP, now_s)

    # Steps

    def _is_over(self, step: OpenStep, now_s: float) -> bool:
        if self._lock_step:
            return self._arm.newest_sequence != step.arm_state_sequence
        return now_s >= step.ends_s - 0.5 * self._config.tick_period_s

    def _close_step(self) -> None:
        step = self._chunks.step
        if step is not None:
            self._last_end_s = step.ends_s
            self._chunks.close_step(step, self._setpoints.target)

    def _cut_step(self) -> int | None:
        """Ends the step in progress; the newest arm state at its beginning, None without a step."""
        step = self._chunks.step
        self._close_step()
        return None if step is None else step.arm_state_sequence

    def _advance(self, limiting: Limiting, dt_s: float, driver: Driver, start_s: float) -> None:
        """Commands a movement within the current step, or begins one with it."""
        start = self._setpoints.target
        try:
            clamped = self._setpoints.advance(limiting, dt_s)
        except InputRefusedError as error:
            self._fault(str(error))
            return
        if self._chunks.step is None:
            ends_s, newest = start_s + self._config.control_period_s, self._arm.newest_sequence
            stamp_ns = self._clock.stamp_ns()
            self._chunks.open_step(OpenStep(start, driver, ends_s, newest, stamp_ns, clamped))
        else:
            self._chunks.step.clamped |= clamped

    # Reports

    def _emit(self, decision: Decision) -> None:
        self._decisions.append(decision)

    def _refuse(self, chunk: ActionChunk, refusal: Refusal) -> None:
        self._board.on_refusal(refusal.code, refusal.reason)
        self._chunks.refuse(chunk, refusal)
