"""What a check finds, and what a check is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; only FAILED makes the command fail."""

    GOOD = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "not checked"


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        level: How bad it is.
        detail: What was seen.
        remedy: What to do about it; there is one for everything but GOOD.
    """

    level: Level
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        """Refuses to complain without saying what helps.

        Raises:
            ValueError: There is no remedy.
        """
        if self.level is not Level.GOOD and not self.remedy:
            raise ValueError(f"the finding {self.detail!r} has no remedy")


def good(detail: str) -> Finding:
    """All is well."""
    return Finding(Level.GOOD, detail)


def warning(detail: str, remedy: str) -> Finding:
    """It works, and may not work well."""
    return Finding(Level.WARNING, detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAILED, detail, remedy)


def skipped(detail: str, remedy: str) -> Finding:
    """It could not be looked at."""
    return Finding(Level.SKIPPED, detail, remedy)


COMPUTES_S = 120.0
"""Limit of a look that waits for nobody: it imports and computes, long where others do so too."""


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: In the table.
        look: Looks and judges. It may raise: that is a failure, and the text is shown.
        limit_s: Longest time that it may take without getting any further.
        further_s: Steady time at which it last got further; 0 where it does not say.
        alone: Whether other checks would disturb it, as everything disturbs timing.
    """

    name: str
    look: Callable[[], Finding]
    limit_s: float = 15.0
    further_s: Callable[[], float] = lambda: 0.0
    alone: bool = False
