"""Which observation a chunk may answer: none older than the last chunk's end or the reset."""

from tmrl_agent.assembly import ArmReading, Assembled, NotReady, ObservationAssembler
from tmrl_agent.params import AgentConfig
from tmrl_common.clock import Clock


class Observations:
    """Joins the newest readings, and knows from which arm state on they count.

    Args:
        config: The layout of the observation and how old its parts may be.
        clock: Steady clock.

    Attributes:
        assembler: Takes the readings.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.assembler = ObservationAssembler(config)
        self._earliest_state = 0

    @property
    def arm(self) -> ArmReading | None:
        """The newest state of the arm."""
        return self.assembler.arm

    def episode_begins(self, first_state: int) -> None:
        """Lets no arm state before this one count: it shows the scene before the reset."""
        self._earliest_state = first_state

    def chunk_ended(self, first_state: int) -> None:
        """Lets no arm state before this one count: it was measured before the chunk's last step."""
        self._earliest_state = max(self._earliest_state, first_state)

    def newest(self) -> Assembled | NotReady:
        """What the policy sees now."""
        arm = self.arm
        if arm is not None and arm.sequence < self._earliest_state:
            return NotReady(
                f"arm/state {arm.sequence} is older than {self._earliest_state}, from which on the "
                "next chunk may start; is the driver alive?"
            )
        return self.assembler.assemble(self._clock.now_s())

    def at(self, first_state: int, known_s: float) -> Assembled | NotReady | None:
        """What was to be seen at an arm state that may be past; soon after it, without lock-step.

        Args:
            first_state: Number of the arm state; earlier ones show something else.
            known_s: Steady time at which that number was reported.

        Returns:
            None where it was never seen, or so late that it shows something else.
        """
        found: Assembled | NotReady = NotReady("the arm state is still to come")
        waits_for_parts = False
        for moment in self.assembler.past:
            if moment.arm.sequence < first_state:
                continue
            if self._is_late(moment.arm, first_state, known_s):
                return found if waits_for_parts else None
            waits_for_parts = self._config.lock_step
            found = self.assembler.join(moment, moment.arm.received_s)
            if isinstance(found, Assembled):
                return found
        gone = not self._config.lock_step and self._is_over(known_s, self._clock.now_s())
        return None if gone else found

    def _is_late(self, arm: ArmReading, first_state: int, known_s: float) -> bool:
        if self._config.lock_step:
            return arm.sequence > first_state
        return self._is_over(known_s, arm.received_s)

    def _is_over(self, since_s: float, now_s: float) -> bool:
        return now_s - since_s > self._config.max_observation_age_s

    def has_moved_on(self, ended_s: float) -> bool:
        """Whether what is seen by now is not the end of the last chunk but what came after it.

        A person, the way home or a reset may have moved something: that observation is lost.

        Args:
            ended_s: Steady time at which the outcome of that chunk arrived.
        """
        if self._config.lock_step:
            arm = self.arm
            return arm is not None and arm.sequence > self._earliest_state
        return self._is_over(ended_s, self._clock.now_s())

    def is_newest(self, seen: Assembled | None) -> bool:
        """Whether no arm state has come since that observation."""
        arm = self.arm
        return (
            arm is not None
            and seen is not None
            and arm.sequence == seen.observation.arm_state_sequence
        )
