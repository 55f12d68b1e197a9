"""What the host of a driver tells: states, answers, its health."""

from dataclasses import dataclass

from tmrl_arm.driver import ArmReading


@dataclass(frozen=True)
class Report:
    """What is published about one instant.

    Attributes:
        sequence: Counts up by one.
        reading: The newest state that was measured; an old one while the connection is broken.
        taken: Number of the newest command for this arm that was taken; 0 before the first.
        holding: Whether the arm stands still and nothing moves it, by what is known at this moment.
        fault: Why the arm does not move, one sentence with the remedy; empty while healthy.
    """

    sequence: int
    reading: ArmReading
    taken: int
    holding: bool
    fault: str


@dataclass(frozen=True)
class Health:
    """How the arm is, for diagnostics.

    Attributes:
        problem: What is wrong, one sentence; empty while all is well.
        connected: Whether there is a connection.
        failed_attempts: To connect, since the last success.
        states: Reports published.
        commands: Accepted.
        refusals: Commands refused.
        recoveries: Faults cleared without a person.
        losses: Connections that broke.
    """

    problem: str = "the driver has not started yet"
    connected: bool = False
    failed_attempts: int = 0
    states: int = 0
    commands: int = 0
    refusals: int = 0
    recoveries: int = 0
    losses: int = 0
