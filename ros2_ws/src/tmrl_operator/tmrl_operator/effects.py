"""What the machine wants done: the shell carries these out, in their order."""

from dataclasses import dataclass

from tmrl_common.types import Outcome
from tmrl_operator.ledger import Label
from tmrl_operator.requests import Request


@dataclass(frozen=True)
class Ask:
    """Ask another node for something; its answer comes back as the event `Answered`.

    Attributes:
        request: What.
        seed: Of the next episode's layout, for a reset of the scene.
        number: Comes back with the answer: one that comes late must not pass for that to the same
            request made again. 0: nobody waits for it.
    """

    request: Request
    seed: int = 0
    number: int = 0


@dataclass(frozen=True)
class PublishLabel:
    """Publish a label, which the ledger has by now.

    Attributes:
        label: The label.
        before: The outcome that it replaces; PENDING where the episode had none.
    """

    label: Label
    before: Outcome

    @property
    def sentence(self) -> str:
        """What was changed, for the person who asked for it."""
        label = self.label
        was = "" if self.before is Outcome.PENDING else f"{self.before.name} -> "
        return f"episode {label.episode}: {was}{label.outcome.name} (revision {label.revision})"


@dataclass(frozen=True)
class KeepLabel:
    """Answer that a label is as asked for already: a key was pressed twice.

    Attributes:
        label: The label.
    """

    label: Label

    @property
    def before(self) -> Outcome:
        """The outcome that it has had all along."""
        return self.label.outcome

    @property
    def sentence(self) -> str:
        """That nothing was changed, for the person who asked."""
        label = self.label
        return f"episode {label.episode} is labelled {label.outcome.name} already"


@dataclass(frozen=True)
class PublishState:
    """Publish where the session stands: state or reason has changed."""


@dataclass(frozen=True)
class Say:
    """Tell whoever watches the log.

    Attributes:
        text: One sentence.
    """

    text: str


Effect = Ask | PublishLabel | KeepLabel | PublishState | Say
