"""What a session has been through: labels, chunks and take-overs, as the page draws them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tmrl_common.clock import Clock
from tmrl_common.types import Outcome

SHOWN_EPISODES = 400
SHOWN_CHUNKS = 80
WINDOW = 20
"""Episodes over which the rate of success is counted."""
RECENT_S = 300.0
"""Time over which take-overs per minute are counted."""


class Labels:
    """The newest label of every episode."""

    def __init__(self) -> None:
        """Knows none."""
        self._labels: dict[int, tuple[int, Outcome, str]] = {}

    def add(self, episode: int, outcome: Outcome, revision: int, source: str) -> None:
        """Takes a label; one older than what is known changes nothing."""
        known = self._labels.get(episode)
        if known is None or revision >= known[0]:
            self._labels[episode] = revision, outcome, source

    def section(self) -> dict[str, Any]:
        """Returns the newest episodes, and the rate of success over the last ones at each."""
        window: deque[bool] = deque(maxlen=WINDOW)
        shown: list[dict[str, Any]] = []
        for number, (_, outcome, source) in sorted(self._labels.items()):
            if outcome.counts:
                window.append(outcome is Outcome.SUCCESS)
            rate = sum(window) / len(window) if window else None
            shown.append(
                {"episode": number, "outcome": outcome.name, "source": source, "rate": rate}
            )
        return {"window": WINDOW, "list": shown[-SHOWN_EPISODES:]}


@dataclass(frozen=True)
class Chunk:
    """One chunk that moved the arm.

    Attributes:
        episode: Its episode.
        chunk: Its number there.
        sigma: Context timestep, 0 to 1; None where it is not finite.
        z: Largest magnitude of a component of z; None where there is none.
        steering: Who picked them.
        teleop: Share of its steps that a person drove, 0 to 1.
        clamped: Whether a limit changed one of its steps.
    """

    episode: int
    chunk: int
    sigma: float | None
    z: float | None
    steering: str
    teleop: float
    clamped: bool


class Chunks:
    """The newest chunks, in the order in which they came."""

    def __init__(self) -> None:
        """Knows none."""
        self._chunks: dict[tuple[int, int], Chunk] = {}

    def add(self, chunk: Chunk) -> None:
        """Takes a chunk; a revision of one that is known takes its place."""
        self._chunks[chunk.episode, chunk.chunk] = chunk
        while len(self._chunks) > SHOWN_CHUNKS:
            del self._chunks[next(iter(self._chunks))]

    def section(self) -> dict[str, Any]:
        """Returns them, the oldest first."""
        return {"list": [asdict(chunk) for chunk in self._chunks.values()]}


def share(values: Iterable[object], wanted: object) -> float:
    """Returns how many of the values are the wanted one, 0 to 1; 0 where there are none."""
    listed = list(values)
    return sum(value == wanted for value in listed) / len(listed) if listed else 0.0


class TakeOvers:
    """How often a person took the arm: in this episode, and per minute of late."""

    def __init__(self, clock: Clock) -> None:
        """Counts from now.

        Args:
            clock: Wall time.
        """
        self._clock = clock
        self._began_s = clock.now_s()
        self._driven = False
        self._episode = 0
        self._in_episode = 0
        self._at_s: deque[float] = deque()

    def see(self, episode: int, *, driven: bool) -> None:
        """Takes in whether a person drives now."""
        if episode != self._episode:
            self._episode, self._in_episode = episode, 0
        if driven and not self._driven:
            self._in_episode += 1
            self._at_s.append(self._clock.now_s())
        self._driven = driven

    def section(self) -> dict[str, Any]:
        """Returns the counts."""
        now_s = self._clock.now_s()
        while self._at_s and now_s - self._at_s[0] > RECENT_S:
            self._at_s.popleft()
        minutes = max(60.0, min(RECENT_S, now_s - self._began_s)) / 60.0
        return {
            "driven": self._driven,
            "in_episode": self._in_episode,
            "per_minute": round(len(self._at_s) / minutes, 2),
        }
