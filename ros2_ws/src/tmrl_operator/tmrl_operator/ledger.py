"""The ledger of a session's episodes: one JSON line per event, on disk before anybody is informed.

Episode numbers are never given twice, also after a crash: an episode that was started and has no
outcome was aborted by that crash. What people asked for and why the session paused stands between
the episodes, so that the run's folder says who did what and when.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tmrl_common.errors import LocalError
from tmrl_common.types import Outcome


class LedgerError(LocalError):
    """The ledger cannot be read or written; the text names the file and the remedy."""


@dataclass(frozen=True)
class Label:
    """One label of an episode.

    Attributes:
        episode: Counts from 1.
        outcome: How it ended.
        stamp_ns: ROS time that the label refers to.
        source: "ground_truth", "operator", "time_limit" or "fault".
        detail: Free text.
        revision: 0 for the first label of the episode.
        author: The person who gave it; empty where it was nobody, or nobody said.
        takes_back: Revision of the same episode that this one takes back; -1 for none.
    """

    episode: int
    outcome: Outcome
    stamp_ns: int
    source: str
    detail: str
    revision: int
    author: str = ""
    takes_back: int = -1

    @property
    def given_by_person(self) -> bool:
        """Whether a person judged the episode: neither ended it by stopping, nor took back."""
        judged = self.outcome in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.DISCARDED)
        return self.source == "operator" and judged and self.takes_back < 0


_FIELDS = tuple(field.name for field in dataclasses.fields(Label))
_SINCE = ("author", "takes_back")
"""What ledgers of earlier versions lack."""


class Ledger:
    """Appends to `episodes.jsonl` and knows what is in it.

    Args:
        path: File; it is read when it exists.
        wall_time_s: Clock on the wall, s since 1970; each line has its time.

    Raises:
        LedgerError: The file is damaged before its last line.
    """

    def __init__(self, path: Path, wall_time_s: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall_time_s = wall_time_s
        self._started: dict[int, int] = {}
        self._history: dict[int, list[Label]] = {}
        self._by_people: list[Label] = []
        self.labels: dict[int, Label] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read()

    def _read(self) -> None:
        lines = self._path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise LedgerError(
                    f"{self._path}, line {number} is damaged ({error}); "
                    "repair or remove that line, the journal is not affected"
                ) from error
        if lines[-1]:
            # A crash while writing leaves a torn last line; nobody had been given it.
            with self._path.open("r+b") as file:
                file.truncate(self._path.stat().st_size - len(lines[-1]))

    def _apply(self, entry: dict[str, Any]) -> None:
        if entry["event"] == "started":
            self._started[entry["episode"]] = entry["stamp_ns"]
        elif entry["event"] == "labelled":
            names = [name for name in _FIELDS if name in entry or name not in _SINCE]
            values: dict[str, Any] = {name: entry[name] for name in names}
            values["outcome"] = Outcome[values["outcome"]]
            self._take(Label(**values))

    def _take(self, label: Label) -> None:
        self.labels[label.episode] = label
        self._history.setdefault(label.episode, []).append(label)
        if label.given_by_person:
            self._by_people.append(label)
        elif label.takes_back >= 0:
            back = (label.episode, label.takes_back)
            kept = [each for each in self._by_people if (each.episode, each.revision) != back]
            self._by_people = kept

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            with self._path.open("ab") as file:
                line = {**entry, "wall_time_s": round(self._wall_time_s(), 3)}
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise LedgerError(
                f"cannot write {self._path}: {error.strerror}; free disk space, then start again"
            ) from error
        self._apply(entry)

    @property
    def last_episode(self) -> int:
        """Highest episode number given so far; 0 for none."""
        return max(self._started, default=0)

    @property
    def labelled(self) -> int:
        """Number of episodes that have a label."""
        return len(self.labels)

    @property
    def newest_by_person(self) -> Label | None:
        """The newest label that a person gave and nobody took back; None for none."""
        return self._by_people[-1] if self._by_people else None

    def before(self, label: Label) -> Label | None:
        """What a label replaced; None where it was the episode's first."""
        earlier = [e for e in self._history[label.episode] if e.revision < label.revision]
        return earlier[-1] if earlier else None

    def unlabelled(self) -> list[tuple[int, int]]:
        """Episode and start stamp [ns] of those that were started and never labelled."""
        return [(e, s) for e, s in sorted(self._started.items()) if e not in self.labels]

    def start(self, episode: int, stamp_ns: int) -> None:
        """Notes the start of an episode."""
        self._append({"event": "started", "episode": episode, "stamp_ns": stamp_ns})

    def label(self, new: Label) -> Label:
        """Notes a label, as a revision where the episode has one already.

        Args:
            new: The label; its revision is counted here.

        Returns:
            The label as it was noted.
        """
        earlier = self.labels.get(new.episode)
        revision = 0 if earlier is None else earlier.revision + 1
        label = dataclasses.replace(new, revision=revision)
        self._append({"event": "labelled", **asdict(label), "outcome": label.outcome.name})
        return label

    def asked(self, request: str, person: str, refused: str) -> None:
        """Notes what a person asked for.

        Args:
            request: Such as "start".
            person: Who; empty where nobody said.
            refused: Why nothing was done; empty where it was.
        """
        entry = {"event": "asked", "request": request, "author": person, "refused": refused}
        self._append(entry)

    def pause(self, cause: str) -> None:
        """Notes why the session paused."""
        self._append({"event": "paused", "cause": cause})
