"""The next chunk is asked for while the one before it still runs, which it then continues.

The controller says from which arm state on only `overlap_steps` of the running chunk remain. What
was seen then goes to the policy server together with those steps: they are executed anyway. Where
anything fails, the running chunk ends as it would without an overlap, and the next one is asked for
from a standing arm. A simulation in lock-step waits instead, so that its chunks never depend on how
fast a machine is.
"""

from dataclasses import dataclass

from tmrl_agent.assembly import Assembled
from tmrl_agent.chunk_pipeline import ChunkPipeline, State
from tmrl_agent.events import ControllerView
from tmrl_agent.observations import Observations
from tmrl_agent.params import AgentConfig
from tmrl_common.chunks import ChunkResult
from tmrl_common.clock import Clock
from tmrl_common.types import FloatArray


@dataclass(frozen=True)
class Continuation:
    """What a chunk is asked for with that continues a running one.

    Attributes:
        before: The chunk that it continues.
        seen: The observation.
        committed: Actions of that chunk which are executed after the observation, shape
            (overlap_steps, action_dim).
    """

    before: ChunkPipeline
    seen: Assembled
    committed: FloatArray


class Overlap:
    """Knows when a chunk can be continued, and what went wrong with the last one that was.

    Args:
        config: How many steps overlap.
        observations: What was seen.
        clock: Steady clock.

    Attributes:
        problem: Why the arm stood still between two chunks; empty where it did not.
    """

    def __init__(self, config: AgentConfig, observations: Observations, clock: Clock) -> None:
        self.problem = ""
        self._steps, self._executed = config.overlap_steps, config.execute_steps
        self._waits = config.lock_step
        self._observations, self._clock = observations, clock
        self._begins = (0, 0)
        self._known_s = 0.0

    def on_controller(self, view: ControllerView) -> None:
        """Takes in from which arm state on a chunk can be continued."""
        begins = (view.started_sequence, view.overlap_state)
        if view.overlap_state and begins != self._begins:
            self._begins, self._known_s = begins, self._clock.now_s()

    def ready(self, newest: ChunkPipeline | None) -> Continuation | None:
        """How the newest chunk can be continued now; None where it cannot, or not yet."""
        if not self._steps or newest is None or newest.was_continued or newest.chunk is None:
            return None
        sequence, state = self._begins
        if newest.chunk.sequence != sequence or not self._may_continue(newest):
            return None
        seen = self._observations.at(state, self._known_s)
        if seen is None:
            newest.was_continued = True
        if not isinstance(seen, Assembled):
            return None
        end = newest.chunk.committed_steps + self._executed
        return Continuation(newest, seen, newest.chunk.reply.actions[end - self._steps : end])

    def _may_continue(self, before: ChunkPipeline) -> bool:
        if before.state is State.RUNNING:
            return True
        # An arm that stands is better asked about as it stands, unless its world has stopped too.
        return self._waits and before.state in (State.ENDED, State.SEEN) and _is_whole(before)

    def is_wanted(self, pipeline: ChunkPipeline) -> bool:
        """Whether the answer to a request still is of use: what it continues was not cut short."""
        before = pipeline.continues
        return before is None or before.outcome is None or _is_whole(before)

    def answered(self, pipeline: ChunkPipeline) -> None:
        """A chunk is sent; notes whether it came in time."""
        before = pipeline.continues
        if before is None:
            return
        self.problem = ""
        if before.outcome is not None and not self._waits:
            late_s = self._clock.now_s() - before.ended_s
            self.problem = (
                f"the policy server answered {late_s:.3f} s after {before.name} had ended, and the "
                f"arm stood still: raise overlap_steps ({self._steps}), or make inference faster"
            )

    def failed(self, pipeline: ChunkPipeline, why: str) -> None:
        """A chunk that was to continue another one was refused, or not made."""
        if pipeline.continues is not None:
            self.problem = (
                f"{pipeline.continues.name} was not continued, the arm stood still: {why}"
            )


def _is_whole(before: ChunkPipeline) -> bool:
    return before.outcome is not None and before.outcome.result is ChunkResult.COMPLETED
