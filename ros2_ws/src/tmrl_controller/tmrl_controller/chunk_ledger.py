"""Keeps the books on chunks: which waits, which is in progress, and one outcome for each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tmrl_common.chunks import ActionChunk, ChunkOutcome, ChunkResult, Driver, Preemption
from tmrl_common.geometry import Vector
from tmrl_controller.action_spaces import action_space_of
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig
from tmrl_controller.limiter import Setpoint
from tmrl_controller.refusals import Refusal

MAX_STEPS = 4096
"""Longest record of one chunk; a person who drives for longer is no longer recorded with it."""


@dataclass
class OpenStep:
    """The current control period.

    Attributes:
        start: Target at its beginning.
        driver: Who commands it.
        ends_s: When it is over, by the pacing clock, s.
        arm_state_sequence: Newest arm state at its beginning.
        clamped: Whether a limit has changed it so far.
    """

    start: Setpoint
    driver: Driver
    ends_s: float
    arm_state_sequence: int
    clamped: bool = False


@dataclass(frozen=True)
class _ClosedStep:
    action: tuple[float, ...]
    driver: Driver
    clamped: bool
    end_ns: int


class ChunkExecution:
    """One chunk: hands out its steps and remembers what became of them."""

    def __init__(self, chunk: ActionChunk, action_dim: int, started_ns: int) -> None:
        """Takes a chunk.

        Args:
            chunk: The chunk; only one that has passed the gate may be asked for rows.
            action_dim: Columns of the rig's action space, whatever the chunk claims.
            started_ns: ROS time of now.
        """
        self._action_dim = action_dim
        self._chunk = chunk
        self._started_ns = started_ns
        self._handed_out = 0
        self._steps: list[_ClosedStep] = []

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
        rows = self._chunk.actions.reshape(self._chunk.horizon, self._chunk.action_dim)
        row = rows[self._handed_out].astype(np.float64)
        self._handed_out += 1
        return row

    def record(self, step: OpenStep, action: tuple[float, ...], end_ns: int) -> None:
        """Remembers a step that has ended.

        Args:
            step: The step.
            action: What was commanded in it, as a row of the action space.
            end_ns: ROS time of its end.
        """
        if len(self._steps) < MAX_STEPS:
            self._steps.append(_ClosedStep(action, step.driver, step.clamped, end_ns))

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
        steps = self._steps
        actions = np.array([step.action for step in steps], dtype=np.float32)
        return ChunkOutcome(
            chunk=self._chunk,
            result=result,
            code=code,
            reason=reason,
            started_ns=self._started_ns,
            ended_ns=ended_ns,
            executed_actions=actions.reshape(len(steps), self._action_dim),
            driver=np.array([step.driver for step in steps], dtype=np.uint8),
            clamped=np.array([step.clamped for step in steps], dtype=np.bool_),
            step_ends_ns=np.array([step.end_ns for step in steps], dtype=np.int64),
            arm_state_sequence=arm_state_sequence,
        )


class ChunkLedger:
    """Every chunk enters once, by `refuse` or `wait`, and leaves once, with its outcome.

    Attributes:
        waiting: Accepted, begins at the end of the current control period.
        running: In progress.
        step: The current control period, also while a person drives without a chunk.
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
        self._action_dim = config.action_dim
        self._space = action_space_of(config)
        self._clock = clock
        self._arm = arm
        self._emit = emit
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
        self.running = self._execution(chunk)

    def close_step(self, step: OpenStep, reached: Setpoint) -> None:
        """Ends the current control period.

        Args:
            step: The period.
            reached: The target now.
        """
        self.step = None
        self.steps_clamped += step.clamped
        if self.running is not None:
            action = self._space.executed(step.start, reached)
            self.running.record(step, action, self._clock.stamp_ns())

    def finish(
        self,
        result: ChunkResult,
        code: Preemption | None,
        reason: str,
        cut_at_state: int | None = None,
    ) -> None:
        """Concludes the chunk in progress, if there is one.

        Args:
            result: How it ended.
            code: What ended it early; None when completed.
            reason: Its sentence; empty when completed.
            cut_at_state: Newest arm state when a step began that was cut short: the state that
                answers it is still to come.
        """
        execution, self.running = self.running, None
        if execution is not None:
            earliest = 0 if cut_at_state is None else cut_at_state + 1
            self._conclude(execution, result, code.value if code else "", reason, earliest)

    def _execution(self, chunk: ActionChunk) -> ChunkExecution:
        return ChunkExecution(chunk, self._action_dim, self._clock.stamp_ns())

    def _conclude(
        self, execution: ChunkExecution, result: ChunkResult, code: str, reason: str, earliest: int
    ) -> None:
        following = max(self._arm.next_sequence(self._clock.now_s()), earliest)
        self._emit(execution.outcome(result, code, reason, self._clock.stamp_ns(), following))
