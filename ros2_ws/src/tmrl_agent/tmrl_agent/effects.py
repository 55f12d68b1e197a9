"""What the agent's core wants done; the shell carries it out, and reports back where said."""

from dataclasses import dataclass

from tmrl_agent.events import SentChunk
from tmrl_agent.requests import AskChunk, AskFeatures, Connection
from tmrl_agent.transitions import Record
from tmrl_common.transitions import Transition


@dataclass(frozen=True)
class PublishTransitions:
    """Publish what was committed.

    Attributes:
        transitions: In the order of their sequence numbers.
    """

    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class AgentStatus:
    """The agent as others see it (tmrl_msgs/AgentStatus); as an effect: publish it.

    Attributes:
        connection: Whether there is a policy server, and which policy it serves.
        last_sent: The newest chunk; None before the first of this process.
        last_transition: Number of the newest committed transition; 0 before the first.
        reason: What is wrong, one sentence; empty while healthy.
        waits_for: Whom it waits for and why, one sentence; empty while it waits for nobody.
    """

    connection: Connection
    last_sent: SentChunk | None
    last_transition: int
    reason: str
    waits_for: str


Effect = AskChunk | AskFeatures | SentChunk | Record | PublishTransitions | AgentStatus
"""AskChunk and AskFeatures go to the policy server (answered by `on_answer`), a SentChunk is
published, a Record is written to the journal (`on_written`, `on_write_failed`)."""
