"""Why a session is paused, and what a person presses to get on."""

from dataclasses import dataclass

_RESUMES = "call operator/start to resume with a new episode, or operator/stop to end the session"


@dataclass(frozen=True)
class Pause:
    """The cause of a pause.

    Attributes:
        cause: What went wrong, one sentence.
        passing: Whether it is over as soon as everybody answers again: a node was silent, did not
            answer, or could not confirm a hold. Everything else stays until a person has looked.
        wanted: Whether a person asked for it; there is no cause to remove then.
    """

    cause: str
    passing: bool = False
    wanted: bool = False

    @property
    def sentence(self) -> str:
        """What to remove and what to press."""
        if self.wanted:
            return f"{self.cause}: {_RESUMES}"
        return f"{self.cause}. Remove the cause, then {_RESUMES}"

    @property
    def over(self) -> str:
        """The same once the cause has gone."""
        return f"paused because {self.cause}. Everybody is there again: {_RESUMES}"
