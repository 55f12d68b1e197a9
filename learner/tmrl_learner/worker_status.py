"""What a learner tells of itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class WorkerStatus:
    """What the learner last did, as reported to one of its arms: each has a journal of its own.

    Attributes:
        phase: "warmup", "training" or "base"; "starting" until the policy server has the first
            actor, which says within which bounds to explore.
        transitions_stored: Transitions stored, each counted once.
        transitions_refused: Transitions that contradict themselves or have other sizes.
        transitions_lost: Sequence numbers that will never arrive.
        contiguous_sequence: Every sequence number of the arm up to this one is stored.
        durable_sequence: Every sequence number of the arm up to this one is in a checkpoint.
        episodes_stored: Episodes of which something is stored.
        successes_stored: Successful ones among them.
        rounds: Update rounds done.
        rounds_owed: Update rounds that the stored transitions still call for.
        rounds_per_s: Rate over the newest rounds.
        actor_version: Version that the policy server confirmed last; 0 for none.
        metrics: Of the newest round, by name.
        reason: What is wrong; empty while healthy.
    """

    phase: str = "starting"
    transitions_stored: int = 0
    transitions_refused: int = 0
    transitions_lost: int = 0
    contiguous_sequence: int = 0
    durable_sequence: int = 0
    episodes_stored: int = 0
    successes_stored: int = 0
    rounds: int = 0
    rounds_owed: int = 0
    rounds_per_s: float = 0.0
    actor_version: int = 0
    metrics: dict[str, float] = field(default_factory=lambda: dict[str, float]())
    reason: str = ""
