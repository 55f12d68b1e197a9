"""Whether a chunk may continue the one before it without a stop.

Steps are counted, never milliseconds: how many of the old chunk's were executed after the arm state
that the policy saw is known exactly, however long the policy thought, the wire took or a clock
jumped. Whatever does not fit is refused, and the arm stands where the old chunk ended.
"""

import numpy as np

from tmrl_common.chunks import ActionChunk, RefusalCode
from tmrl_controller.action_spaces import ActionSpace
from tmrl_controller.chunk_ledger import ChunkExecution, ChunkLedger
from tmrl_controller.config import ControllerConfig
from tmrl_controller.refusals import Refusal
from tmrl_controller.setpoints import SetpointStream


class Splice:
    """Judges chunks that continue another one; all others may come and begin."""

    def __init__(
        self,
        config: ControllerConfig,
        space: ActionSpace,
        chunks: ChunkLedger,
        setpoints: SetpointStream,
    ) -> None:
        """Takes what it compares.

        Args:
            config: What the rig allows.
            space: What the rows of a chunk mean.
            chunks: Knows which chunk ran last, and its steps.
            setpoints: Knows how the target moves.
        """
        self._max_seam = config.max_seam
        self._space, self._chunks, self._setpoints = space, chunks, setpoints

    def judge_arrival(self, chunk: ActionChunk) -> Refusal | None:
        """Refuses at once what can never begin.

        Args:
            chunk: A chunk that has just come.

        Returns:
            None where it may wait for the end of the running chunk.
        """
        if not chunk.follows or _is(chunk, self._chunks.running):
            return None
        return None if _is(chunk, self._chunks.before) else _refused_order(chunk)

    def judge(self, chunk: ActionChunk) -> Refusal | None:
        """Judges a chunk whose first own row is due.

        Args:
            chunk: The chunk, which has the shape of this rig.

        Returns:
            None where it may begin, otherwise why not.
        """
        if not chunk.follows:
            return None
        before = self._chunks.before
        if before is None or not _is(chunk, before):
            return _refused_order(chunk)
        return _refused_count(chunk, before) or _refused_rows(chunk, before) or self._seam(chunk)

    def _seam(self, chunk: ActionChunk) -> Refusal | None:
        """Refuses a jump of the velocity; an arm at rest starts as it always does."""
        if not self._setpoints.moving:
            return None
        rows = chunk.actions.reshape(chunk.horizon, chunk.action_dim).astype(np.float64)
        jump = self._space.jump(rows[chunk.committed_steps], self._setpoints.motion)
        if jump <= self._max_seam:
            return None
        return Refusal(
            RefusalCode.SEAM_TOO_LARGE,
            f"the first own step of chunk {chunk.sequence} differs from the last one of chunk "
            f"{chunk.follows} by {jump:.3g} times what one control period may change, allowed are "
            f"{self._max_seam:g} (max_seam): the policy does not continue what it was shown",
        )


def _is(chunk: ActionChunk, execution: ChunkExecution | None) -> bool:
    """Whether that is the chunk which this one continues."""
    if execution is None:
        return False
    known = execution.chunk
    return (known.agent_epoch, known.sequence) == (chunk.agent_epoch, chunk.follows)


def _refused_order(chunk: ActionChunk) -> Refusal:
    return Refusal(
        RefusalCode.CANNOT_SPLICE,
        f"chunk {chunk.sequence} continues chunk {chunk.follows}, which has not run to its end, or "
        "something else has moved the arm since: ask again from where the arm stands",
    )


def _refused_count(chunk: ActionChunk, before: ChunkExecution) -> Refusal | None:
    executed = before.steps_since(chunk.arm_state_sequence)
    if executed == chunk.committed_steps:
        return None
    found = "all and more" if executed is None else str(executed)
    return Refusal(
        RefusalCode.CANNOT_SPLICE,
        f"{found} steps of chunk {chunk.follows} were executed from arm state "
        f"{chunk.arm_state_sequence} on, which chunk {chunk.sequence} answers, and it begins with "
        f"{chunk.committed_steps} of them: it must begin with exactly those",
    )


def _refused_rows(chunk: ActionChunk, before: ChunkExecution) -> Refusal | None:
    steps = chunk.committed_steps
    rows = chunk.actions.reshape(chunk.horizon, chunk.action_dim)
    if np.array_equal(rows[:steps], before.rows[-steps:]):
        return None
    return Refusal(
        RefusalCode.CANNOT_SPLICE,
        f"the first {steps} actions of chunk {chunk.sequence} are not the last ones of chunk "
        f"{chunk.follows}: the policy server must keep what is executed anyway; see its version",
    )
