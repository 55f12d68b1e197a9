"""Which faults there are, and in what order a seed draws them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

COMMAND = "command"
"""The command that started the session, as a target beside its parts."""
PARTS = (
    "policy_server",
    "learning",
    "agent",
    "operator",
    "console",
    "recorder",
    "controller",
    "driver",
    COMMAND,
)
"""Every process of a session with one simulated arm, a console and a recorder."""
_SHORTEST_STOP_S, _LONGEST_STOP_S = 0.5, 3.0
_LONGEST_PHASE_S = 1.0


class Kind(StrEnum):
    """What happens."""

    KILL = "kill"
    """SIGKILL."""
    STOP = "stop"
    """SIGSTOP, some time later SIGCONT."""
    PROXY = "proxy"
    """Something on the way to the policy server."""


class Disturbance(StrEnum):
    """What happens on the way to the policy server."""

    DELAY = "delay"
    """Bytes come up to 300 ms later."""
    STALL = "stall"
    """No byte comes, the connection stays."""
    CUT = "cut"
    """Connections end; new ones are refused until it is over."""
    PIECES = "pieces"
    """Bytes come a few at a time."""
    DOUBLED_ANSWERS = "doubled answers"
    """Every answer comes again, up to 300 ms later."""
    LATE_ANSWERS = "late answers"
    """Each answer comes up to 300 ms later, whatever the others do: their order changes."""
    SWAPPED_ANSWERS = "swapped answers"
    """An answer waits for the next one, and comes after it."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: What happens.
        target: Name of a part, COMMAND, or a `Disturbance`.
        phase_s: From the moment at which the session works again to the fault, s.
        lasts_s: Until it is taken back, s; 0 for a kill.
    """

    kind: Kind
    target: str
    phase_s: float
    lasts_s: float

    def __str__(self) -> str:
        lasting = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.kind} {self.target}{lasting}"


def draw(seed: int, kills: int, parts: Sequence[str] = PARTS) -> list[Fault]:
    """The faults of one run: so many kills, half as many stops and disturbances each, mixed.

    Args:
        seed: Of every draw.
        kills: How many processes are killed.
        parts: Which ones; each as often as the others, give or take one.
    """
    chance = random.Random(seed)
    kinds = [Kind.KILL] * kills + [Kind.STOP] * (kills // 2) + [Kind.PROXY] * (kills // 2)
    chance.shuffle(kinds)
    targets = {
        Kind.KILL: _in_turn(parts, chance),
        Kind.STOP: _in_turn(parts, chance),
        Kind.PROXY: _in_turn(tuple(Disturbance), chance),
    }
    return [_fault(kind, next(targets[kind]), chance) for kind in kinds]


def _in_turn(names: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Every name once in a random order, and so again for ever."""
    while True:
        yield from chance.sample(names, len(names))


def _fault(kind: Kind, target: str, chance: random.Random) -> Fault:
    phase_s = chance.uniform(0.0, _LONGEST_PHASE_S)
    lasts_s = 0.0 if kind is Kind.KILL else chance.uniform(_SHORTEST_STOP_S, _LONGEST_STOP_S)
    return Fault(kind, target, phase_s, lasts_s)
