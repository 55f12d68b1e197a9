"""What happens to a session: one frozen value per event, as the shell reports it to the machine."""

from dataclasses import dataclass

from tmrl_common.types import Outcome
from tmrl_operator.requests import Request


@dataclass(frozen=True)
class ArmSeen:
    """An arm state arrived.

    Attributes:
        stamp_ns: Its ROS time, ns.
        sequence: Its number.
    """

    stamp_ns: int
    sequence: int


@dataclass(frozen=True)
class Verdict:
    """The simulation judged one instant.

    Attributes:
        stamp_ns: ROS time of the instant, ns.
        success: Whether the task is done.
        detail: Free text.
    """

    stamp_ns: int
    success: bool
    detail: str = ""


@dataclass(frozen=True)
class ControllerNews:
    """The controller reported its mode.

    Attributes:
        trouble: Names an e-stop or a fault; empty while there is none.
        holds: Why it holds the arm; empty while somebody drives.
        waits_for: What must be there before it can let the policy drive; empty when all is.
    """

    trouble: str = ""
    holds: str = ""
    waits_for: str = ""


@dataclass(frozen=True)
class AgentNews:
    """The agent reported its health.

    Attributes:
        epoch: Identifies the life of its process.
        trouble: Why it cannot act, such as an absent policy server; empty while it can.
    """

    epoch: str
    trouble: str = ""


@dataclass(frozen=True)
class LearnerStarted:
    """The learner has reported a phase other than starting."""


@dataclass(frozen=True)
class Answered:
    """Another node answered a request.

    Attributes:
        request: Which one.
        number: Of the effect `Ask` that it answers.
        success: Whether it was done.
        message: What the node said.
        sequence: First arm state after a reset of the scene.
    """

    request: Request
    number: int
    success: bool
    message: str = ""
    sequence: int = 0


@dataclass(frozen=True)
class Tick:
    """Time has passed; comes several times a second."""


@dataclass(frozen=True)
class Suggestion:
    """A detector that only suggests judged one instant.

    Attributes:
        stamp_ns: ROS time of the instant, ns.
        success: Whether it takes the task as done.
        confidence: 0 to 1.
        detail: Free text.
    """

    stamp_ns: int
    success: bool
    confidence: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Start:
    """A person starts the session, or resumes it after a pause."""


@dataclass(frozen=True)
class Stop:
    """A person ends the session.

    Attributes:
        person: Who; empty where nobody said.
    """

    person: str = ""


@dataclass(frozen=True)
class Pause:
    """A person wants the session to pause.

    Attributes:
        person: Who.
    """

    person: str = ""


@dataclass(frozen=True)
class Undo:
    """A person takes the newest label that a person gave back.

    Attributes:
        person: Who.
    """

    person: str = ""


@dataclass(frozen=True)
class ResetDone:
    """A person has put the scene back."""


@dataclass(frozen=True)
class GiveLabel:
    """A person labels the running episode, or the one that waits for its label.

    Attributes:
        outcome: SUCCESS or FAILURE.
        stamp_ns: ROS time that the label refers to, ns; 0: now, or the end of the episode.
        person: Who.
        episode: Which one is meant; 0: the newest.
    """

    outcome: Outcome
    stamp_ns: int = 0
    person: str = ""
    episode: int = 0


@dataclass(frozen=True)
class Relabel:
    """A person changes the label of an earlier episode.

    Attributes:
        episode: Its number.
        outcome: SUCCESS, FAILURE or DISCARDED.
        person: Who.
    """

    episode: int
    outcome: Outcome
    person: str = ""


@dataclass(frozen=True)
class Discard:
    """A person wants nothing of an episode to be learned from.

    Attributes:
        episode: Its number; 0: the running one, or the last.
        person: Who.
    """

    episode: int = 0
    person: str = ""
