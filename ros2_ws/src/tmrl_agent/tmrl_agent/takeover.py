"""What a person drove of an episode, and from which observation on.

The controller publishes each segment when it is over. Its first observation is then past: it is the
one after the chunk or the segment before, or one of the moments that the assembler still has.
"""

from collections import deque
from dataclasses import dataclass, replace

from tmrl_agent.assembly import Assembled, Moment
from tmrl_agent.chunk_pipeline import ChunkPipeline, State
from tmrl_agent.events import ControllerView, EpisodeView
from tmrl_agent.observations import Observations
from tmrl_common.chunks import ChunkOutcome, ControllerMode

_NEAR = 32
"""Arm states between the one that a person began with and the one at which that was reported."""
_BEHIND = 256
"""Arm states that the agent may be behind with, as long as the queue of a lock-step simulation
(tmrl_ros.qos); each topic has a queue of its own, so that a segment may come before its states."""


@dataclass(frozen=True)
class _Run:
    """An episode that ran, and the ROS time at which it no longer did; 0 while it runs."""

    view: EpisodeView
    stopped_ns: int = 0

    def holds(self, end: ChunkOutcome) -> bool:
        """Whether a segment began within it."""
        runs = self.stopped_ns == 0 or end.started_ns < self.stopped_ns
        is_after_reset = end.first_arm_state_sequence >= self.view.first_arm_state_sequence
        return runs and is_after_reset and end.started_ns >= self.view.started_ns


class Takeover:
    """Keeps the segments of a person's driving until their episode takes them.

    Args:
        observations: What was seen.
        last_episode: No episode up to this one is ever joined.
    """

    def __init__(self, observations: Observations, last_episode: int) -> None:
        self._ended_ns = 0
        self._observations = observations
        self._last_episode = last_episode
        self._runs: dict[int, _Run] = {}
        self._grasped: Moment | None = None
        self._mode = ControllerMode.HOLD
        self._known: tuple[int, int] | None = None
        self._published: int | None = None
        self._waiting: deque[ChunkOutcome] = deque()
        self._before: ChunkPipeline | None = None

    @property
    def is_in_progress(self) -> bool:
        """Whether a segment is still to come: a person drives, or it is on its way."""
        return self._mode is ControllerMode.TELEOP or self.is_on_its_way

    @property
    def is_on_its_way(self) -> bool:
        """Whether the controller has published a segment that has not come yet, or came early."""
        known = self._known[0] if self._known is not None else 0
        return (self._published or 0) > known or any(map(self._came_early, self._waiting))

    @property
    def ended_ns(self) -> int:
        """ROS time until which every segment has come and can be taken; 0 before the first."""
        early = next(filter(self._came_early, self._waiting), None)
        return self._ended_ns if early is None else early.started_ns

    def on_controller(self, view: ControllerView) -> None:
        """Takes in who drives, and how many segments there are."""
        if self._published is None or view.segments < self._published:
            # Segments from before this agent, or of a controller before this one, are gone.
            self._known = (view.segments, 0)
        self._published = view.segments
        began = view.mode is ControllerMode.TELEOP and self._mode is not ControllerMode.TELEOP
        self._mode = view.mode
        past = self._observations.assembler.past
        if began and past:
            self._grasped = past[-1]

    def on_episode(self, view: EpisodeView) -> None:
        """Takes in where the session stands."""
        arm = self._observations.arm
        now_ns = view.started_ns if view.running or arm is None else arm.stamp_ns
        for number, run in self._runs.items():
            if run.stopped_ns == 0 and (number != view.episode or not view.running):
                self._runs[number] = replace(run, stopped_ns=max(now_ns, 1))
        if view.running and view.episode > self._last_episode:
            self._runs[view.episode] = _Run(view)
        for old in sorted(self._runs)[:-2]:
            del self._runs[old]

    def on_segment(self, end: ChunkOutcome) -> None:
        """Takes a segment in; one that came before means nothing."""
        known = (end.chunk.sequence, end.started_ns)
        if known == self._known:
            return
        self._known = known
        self._ended_ns = end.ended_ns
        self._waiting.append(end)

    def take(self, episode: int) -> ChunkOutcome | None:
        """The oldest segment of an episode that was not taken yet; None where there is none.

        Those of no episode are passed over, those of a later one wait for it, and one that came
        before the arm state that it begins with waits for that.
        """
        later = [run for number, run in self._runs.items() if number > episode]
        run = self._runs.get(episode)
        while self._waiting and not any(r.holds(self._waiting[0]) for r in later):
            is_wanted = run is not None and run.holds(self._waiting[0])
            if is_wanted and self._came_early(self._waiting[0]):
                return None
            end = self._waiting.popleft()
            if is_wanted:
                return end
        return None

    def _came_early(self, end: ChunkOutcome) -> bool:
        """Whether the arm state that a segment begins with is still to come."""
        arm, first = self._observations.arm, end.first_arm_state_sequence
        # Numbers that are far below are those of a driver that has been started again.
        return arm is not None and first - _BEHIND <= arm.sequence < first

    def continues(self, before: ChunkPipeline | None) -> None:
        """What moved the arm last in this episode; None at its beginning."""
        self._before = before

    def before(self, end: ChunkOutcome) -> ChunkPipeline | None:
        """The chunk or segment that a segment continues without a break; None where none does."""
        before = self._before
        if before is None or before.outcome is None:
            return None
        continues = before.outcome.arm_state_sequence == end.first_arm_state_sequence
        return before if continues else None

    def start_of(self, end: ChunkOutcome, now_s: float) -> Assembled | None:
        """What was seen when a segment began.

        Where the arm was driven without a break, it is what was seen after the chunk or segment
        before, which learns it here if it had not seen it yet.

        Args:
            end: The segment's outcome.
            now_s: Steady time.

        Returns:
            None where nothing was seen then.
        """
        before = self.before(end)
        if before is not None and before.after is not None:
            return before.after
        seen = self._seen(end, now_s)
        if before is not None and seen is not None and before.state in (State.ENDED, State.DRIVEN):
            before.observed(seen)
        return seen

    def _seen(self, end: ChunkOutcome, now_s: float) -> Assembled | None:
        assembler, first = self._observations.assembler, end.first_arm_state_sequence
        past = assembler.past
        if past and past[0].arm.sequence <= first:
            # It arrived before the segment's end: how long ago does not matter.
            arrival_s = next((m.arm.received_s for m in past if m.arm.sequence >= first), now_s)
            seen = self._observations.at(first, min(now_s, arrival_s))
            return seen if isinstance(seen, Assembled) else None
        moment = self._grasped
        if moment is None or not first - _NEAR <= moment.arm.sequence <= end.arm_state_sequence:
            return None
        seen = assembler.join(moment, moment.arm.received_s)
        return seen if isinstance(seen, Assembled) else None
