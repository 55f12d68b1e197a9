"""What a run of the harness found: counted while it runs, given in figures at its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .arm_judge import ArmVerdict
from .plan import Fault, Kind
from .row_judge import RowVerdict

_MOST_FINDINGS = 100


@dataclass(frozen=True)
class Event:
    """A fault that happened, and what followed.

    Attributes:
        fault: The fault.
        took_s: From its end to the first transition stored that came about after it, s; None where
            none came.
        resumed: Whether the session had ended, and was resumed.
    """

    fault: Fault
    took_s: float | None
    resumed: bool


@dataclass
class Report:
    """Everything that was found.

    Attributes:
        events: Faults in their order.
        announced: Content hash of every transition that was heard on its topic, by number.
        pressed: How often the person beside it resumed a session.
        rows: Set at the end.
    """

    events: list[Event] = field(default_factory=list)
    announced: dict[int, str] = field(default_factory=dict)
    pressed: int = 0
    rows: RowVerdict = field(default_factory=RowVerdict)
    _arm: ArmVerdict = field(default_factory=ArmVerdict)
    _left: list[str] = field(default_factory=list)
    _lost_sessions: list[str] = field(default_factory=list)
    _findings: list[str] = field(default_factory=list)

    def add_life(self, number: int, found: ArmVerdict, left: list[str]) -> None:
        """Takes in what one life of the session left behind."""
        total = self._arm
        total.judged += found.judged
        total.unseen += found.unseen
        total.chunks += found.chunks
        total.doubled += found.doubled
        total.stale += found.stale
        total.out_of_limit += found.out_of_limit
        self._left += left
        self._findings += [f"life {number}: {sentence}" for sentence in found.findings]
        self._findings += [f"life {number}: left running: {command}" for command in left]

    def lose_session(self, sentence: str) -> None:
        """Notes a session that ended, or stood still, although it should have continued."""
        self._lost_sessions.append(sentence)

    @property
    def passed(self) -> bool:
        """Whether all promises were kept, and something was judged at all."""
        bad = (self.rows.lost, self._left, self._lost_sessions, self._arm.findings)
        return not any(bad) and bool(self._arm.judged and self._arm.chunks and self.rows.rows)

    def result(self) -> dict[str, Any]:
        """As a benchmark returns it."""
        findings = [*self._lost_sessions, *self._findings, *self.rows.lost]
        return {
            "ratios": {},
            "figures": self._figures(),
            "passed": self.passed,
            "findings": findings[:_MOST_FINDINGS],
        }

    def _figures(self) -> Mapping[str, float | None]:
        within = [e.took_s for e in self.events if e.took_s is not None and not e.resumed]
        resumed = [e.took_s for e in self.events if e.took_s is not None and e.resumed]
        arm = self._arm
        return {
            "rows_lost": len(self.rows.lost),
            "commands_stale": len(arm.stale),
            "commands_doubled": len(arm.doubled),
            "commands_out_of_limit": len(arm.out_of_limit),
            "processes_left": len(self._left),
            "sessions_lost": len(self._lost_sessions),
            "recovery_p50_s": median(within) if within else None,
            "recovery_max_s": max(within, default=None),
            "resume_p50_s": median(resumed) if resumed else None,
            "resume_max_s": max(resumed, default=None),
            "resumed_by_hand": self.pressed,
            "kills": self._count(Kind.KILL),
            "stops": self._count(Kind.STOP),
            "proxy_faults": self._count(Kind.PROXY),
            "ticks": arm.judged,
            "commands_unseen": arm.unseen,
            "chunks": arm.chunks,
            "rows": self.rows.rows,
        }

    def _count(self, kind: Kind) -> int:
        return sum(event.fault.kind is kind for event in self.events)
