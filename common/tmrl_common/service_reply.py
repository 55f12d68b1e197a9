"""The answer of a service that acts on the robot: whether it was done, and one sentence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceReply:
    """Answer to a request of a person or another node.

    Attributes:
        success: Whether it was done.
        message: What was done, or why not and what would help.
    """

    success: bool
    message: str

    @classmethod
    def done(cls, message: str) -> "ServiceReply":
        """It was done."""
        return cls(success=True, message=message)

    @classmethod
    def refused(cls, message: str) -> "ServiceReply":
        """It was not done; the message says why and what would help."""
        return cls(success=False, message=message)
