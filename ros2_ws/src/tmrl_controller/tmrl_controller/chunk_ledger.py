"""Keeps the books on chunks: which waits, which is in progress, and one outcome for each."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tmrl_common.chunks import ActionChunk, ChunkOutcome, ChunkResult, Driver, Preemption
from tmrl_common.geometry import Vector
from tmrl_controller.action_spaces import action_space_of
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig
from tmrl_controller.limiter import Setpoint
from tmrl_controller.refusals import Refusal
from tmrl_controller.segments import SegmentLedger
from tmrl_controller.step_record import OpenStep, StepRecord


class ChunkExecution:
    """One chunk: hands out its steps and remembers what became of them."""

    def __init__(self, chunk: ActionChunk, action_dim: int, started_ns: int) -> None:
        """Takes a chunk.

        Args:
            chunk: The chunk; only one that has passed the gate may be asked for rows.
            action_dim: Columns of the rig's action space, whatever the chunk claims.
            started_ns: ROS time of now.
        """
        self._chunk = chunk
        self._started_ns = started_ns
        self._handed_out = 0
        self._began_at: list[int] = []
        self._record = StepRecord(action_dim)

    @property
    def chunk(self) -> ActionChunk:
        """The chunk."""
        return self._chunk

    @property
    def rows(self) -> NDArray[np.float32]:
        """What is to be executed of it, shape (execute_steps, action_dim)."""
        first, steps = self._chunk.committed_steps, self._chunk.execute_steps
        rows = self._chunk.actions.reshape(self._chunk.horizon, self._chunk.action_dim)
        return rows[first : first + steps]

    @property
    def steps_left(self) -> int:
        """Steps to be executed that have not been handed out."""
        return self._chunk.execute_steps - self._handed_out

    def begin_step(self, arm_state_sequence: int) -> None:
        """Notes that the row handed out last is commanded.

        Args:
            arm_state_sequence: First arm state measured at its beginning or later.
        """
        self._began_at.append(arm_state_sequence)

    def steps_since(self, arm_state_sequence: int) -> int | None:
        """How many steps were in progress or still to come at an arm state.

        Args:
            arm_state_sequence: The state.

        Returns:
            None for one from before the first step.
        """
        begun = sum(state <= arm_state_sequence for state in self._began_at)
        return len(self._began_at) - begun + 1 if begun else None

    @property
    def exhausted(self) -> bool:
        """Whether every step to be executed has been handed out."""
        return self._handed_out >= self._chunk.execute_steps

    def next_row(self) -> Vector:
        """The next step as the policy wants it, shape (action_dim,), float64.

        Raises:
            IndexError: The chunk is exhausted.
        """
        if self.exhausted:
            raise IndexError(f"all {self._chunk.execute_steps} steps have been handed out")
        row = self.rows[self._handed_out].astype(np.float64)
        self._handed_out += 1
        return row

    def record(self, step: OpenStep, action: tuple[float, ...], end_ns: int) -> None:
        """Remembers a step that has ended.

        Args:
            step: The step.
            action: What was commanded in it, as a row of the action space.
            end_ns: ROS time of its end.
        """
        self._record.add(step, action, end_ns)

    def outcome(
        self, result: ChunkResult, code: str, reason: str, ended_ns: int, arm_state_sequence: int
    ) -> ChunkOutcome:
        """What became of the chunk.

        Args:
            result: How it ended.
            code: Short name of the cause; empty when completed.
            reason: Its sentence; empty when completed.
            ended_ns: ROS time of the end.
            arm_state_sequence: First arm state measured after the last step.
        """
        record = self._record
        return ChunkOutcome(
            chunk=self._chunk,
            result=result,
            code=code,
            reason=reason,
            started_ns=self._started_ns,
            ended_ns=ended_ns,
            executed_actions=record.actions,
            driver=record.drivers,
            clamped=record.clamped,
            step_ends_ns=record.ends_ns,
            arm_state_sequence=arm_state_sequence,
        )


class ChunkLedger:
    """Every chunk enters once, by `refuse` or `wait`, and leaves once, with its outcome.

    Attributes:
        waiting: Accepted, begins at the end of the current control period.
        running: In progress.
        before: Ran to its end, and nothing has moved the arm since; None where there is none.
        overlap_state: First arm state at which no more than the steps of the overlap were left of
            the running chunk; 0 until then.
        segments: What a person drove.
        step: The current control period, of a chunk or of a person.
        accepted: Chunks begun since the start.
        started: Epoch and sequence number of the newest of them.
        refused: Chunks refused since the start.
        steps_clamped: Steps that a limit changed since the start.
    """

    def __init__(
        self,
        config: ControllerConfig,
        clock: StampingClock,
        arm: ArmMonitor,
        emit: Callable[[ChunkOutcome], None],
    ) -> None:
        """Starts empty.

        Args:
            config: What the rig allows.
            clock: Stamps.
            arm: Knows which arm state comes next.
            emit: Takes the outcomes.
        """
        self.segments = SegmentLedger(config, clock, arm, emit)
        self._action_dim = config.action_dim
        self._overlap_steps = config.overlap_steps
        self._space = action_space_of(config)
        self._clock = clock
        self._arm = arm
        self._emit = emit
        self.before: ChunkExecution | None = None
        self.overlap_state = 0
        self.waiting: ActionChunk | None = None
        self.running: ChunkExecution | None = None
        self.step: OpenStep | None = None
        self.accepted = 0
        self.started = ("", 0)
        self.refused = 0
        self.steps_clamped = 0

    def refuse(self, chunk: ActionChunk, refusal: Refusal) -> None:
        """Concludes a chunk that never began."""
        self.refused += 1
        execution = self._execution(chunk)
        self._conclude(execution, ChunkResult.REFUSED, refusal.code.value, refusal.reason, 0)

    def wait(self, chunk: ActionChunk) -> None:
        """Lets an accepted chunk wait for its turn; an older one that waits gives way."""
        self.drop_waiting(
            ChunkResult.SUPERSEDED, Preemption.NEWER_CHUNK, "a newer chunk came first"
        )
        self.waiting = chunk
        self.segments.steps = chunk.execute_steps

    def take_waiting(self) -> ActionChunk | None:
        """The chunk that waits, which now must be begun or refused."""
        chunk, self.waiting = self.waiting, None
        return chunk

    def drop_waiting(self, result: ChunkResult, code: Preemption, reason: str) -> None:
        """Concludes the chunk that waits, if there is one."""
        chunk = self.take_waiting()
        if chunk is not None:
            execution = self._execution(chunk)
            self._conclude(execution, result, code.value, reason, 0)

    def begin(self, chunk: ActionChunk) -> None:
        """Starts a chunk now."""
        self.accepted += 1
        self.started = (chunk.agent_epoch, chunk.sequence)
        self.running, self.before, self.overlap_state = self._execution(chunk), None, 0

    @property
    def is_superseded(self) -> bool:
        """Whether the chunk that waits does not let the running one come to its end."""
        return self.waiting is not None and not self.waiting.follows

    def open_step(self, step: OpenStep) -> None:
        """Begins a control period, for which a movement was just commanded."""
        self.step = step
        if self.running is None or step.driver is not Driver.POLICY:
            return
        first_state = self._arm.next_sequence(self._clock.now_s())
        self.running.begin_step(first_state)
        if self.running.steps_left + 1 == self._overlap_steps:
            self.overlap_state = first_state

    def close_step(self, step: OpenStep, reached: Setpoint) -> None:
        """Ends the current control period.

        Args:
            step: The period.
            reached: The target now.
        """
        self.step = None
        self.steps_clamped += step.clamped
        action = self._space.executed(step.start, reached)
        if step.driver is Driver.TELEOP:
            self.segments.add(step, action)
        elif self.running is not None:
            self.running.record(step, action, self._clock.stamp_ns())

    def finish(self, result: ChunkResult, code: Preemption | None, reason: str) -> None:
        """Concludes the chunk in progress, if there is one, at the end of one of its steps.

        Args:
            result: How it ended.
            code: What ended it early; None when completed.
            reason: Its sentence; empty when completed.
        """
        execution, self.running = self.running, None
        if execution is not None:
            self._conclude(execution, result, code.value if code else "", reason, 0)
            self.before = execution if result is ChunkResult.COMPLETED else None

    def cut(self, code: Preemption, reason: str, cut_at_state: int | None) -> None:
        """Concludes whatever is in progress or waits: somebody stops it, or takes over.

        Args:
            code: What ends it.
            reason: Its sentence.
            cut_at_state: Newest arm state when a step began that is cut short: the state that
                answers it is still to come; None where no step was.
        """
        earliest = 0 if cut_at_state is None else cut_at_state + 1
        self.segments.finish(code, reason, earliest)
        execution, self.running, self.before = self.running, None, None
        if execution is not None:
            preempted = ChunkResult.PREEMPTED
            following = self._conclude(execution, preempted, code.value, reason, earliest)
            self.segments.follow(following)
        self.drop_waiting(ChunkResult.PREEMPTED, code, reason)

    def _execution(self, chunk: ActionChunk) -> ChunkExecution:
        return ChunkExecution(chunk, self._action_dim, self._clock.stamp_ns())

    def _conclude(
        self, execution: ChunkExecution, result: ChunkResult, code: str, reason: str, earliest: int
    ) -> int:
        following = max(self._arm.next_sequence(self._clock.now_s()), earliest)
        self._emit(execution.outcome(result, code, reason, self._clock.stamp_ns(), following))
        return following
