"""Cuts what a person drives into segments, each with an outcome as a chunk has one.

A segment lasts as many steps as a chunk executes, so that both are steps of equal length in the
decision process that is learned from. Nothing here commands anything: it only keeps the books.
"""

from collections.abc import Callable

from tmrl_common.chunks import ChunkId, ChunkOutcome, ChunkResult, Origin, Preemption
from tmrl_controller.arm_monitor import ArmMonitor
from tmrl_controller.clock import StampingClock
from tmrl_controller.config import ControllerConfig
from tmrl_controller.step_record import OpenStep, StepRecord


class SegmentLedger:
    """Every step of a person lies in one segment; every segment has one outcome.

    Attributes:
        steps: How many make a whole segment: those of the newest chunk; until one came, those of
            the configuration.
        published: Segments concluded since the start; the number of the newest.
    """

    def __init__(
        self,
        config: ControllerConfig,
        clock: StampingClock,
        arm: ArmMonitor,
        emit: Callable[[ChunkOutcome], None],
    ) -> None:
        """Starts with nothing driven.

        Args:
            config: Names the arm, and how long a segment is until a chunk came.
            clock: Stamps.
            arm: Knows which arm state comes next.
            emit: Takes the outcomes.
        """
        self._robot, self._action_dim = config.robot, config.action_dim
        self._clock, self._arm, self._emit = clock, arm, emit
        self.steps = config.execute_steps
        self.published = 0
        self._record = StepRecord(self._action_dim)
        self._started_ns = 0
        self._first_state: int | None = None

    def follow(self, arm_state_sequence: int | None) -> None:
        """What comes next begins with this arm state; with None, with the newest by then."""
        self._first_state = arm_state_sequence

    def add(self, step: OpenStep, action: tuple[float, ...]) -> None:
        """Takes a step of a person that has ended; a whole segment is concluded at once.

        Args:
            step: The step.
            action: What was commanded in it, as a row of the action space.
        """
        if len(self._record) == 0:
            self._started_ns = step.started_ns
            if self._first_state is None:
                self._first_state = step.arm_state_sequence
        self._record.add(step, action, self._clock.stamp_ns())
        if len(self._record) >= self.steps:
            # A step that is cut short may be the last of them: its answer is still to come.
            earliest = step.arm_state_sequence + 1
            self.follow(self._conclude(ChunkResult.COMPLETED, "", "", earliest))

    def finish(self, code: Preemption, reason: str, earliest: int) -> None:
        """Concludes what is left of a segment, if anything is; the next one begins by itself.

        Args:
            code: What ended it.
            reason: Its sentence.
            earliest: First arm state that may follow it.
        """
        if len(self._record):
            self._conclude(ChunkResult.PREEMPTED, code.value, reason, earliest)
        self.follow(None)

    def _conclude(self, result: ChunkResult, code: str, reason: str, earliest: int) -> int:
        record, self._record = self._record, StepRecord(self._action_dim)
        self.published += 1
        following = max(self._arm.next_sequence(self._clock.now_s()), earliest)
        outcome = ChunkOutcome(
            chunk=ChunkId(self._robot, "", 0, 0, self.published, ""),
            result=result,
            code=code,
            reason=reason,
            started_ns=self._started_ns,
            ended_ns=self._clock.stamp_ns(),
            executed_actions=record.actions,
            driver=record.drivers,
            clamped=record.clamped,
            step_ends_ns=record.ends_ns,
            arm_state_sequence=following,
            origin=Origin.HUMAN,
            first_arm_state_sequence=self._first_state or 0,
        )
        self._emit(outcome)
        return following
