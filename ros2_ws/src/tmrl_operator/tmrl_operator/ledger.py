"""The ledger of a session's episodes: one JSON line per event, on disk before anybody is informed.

Episode numbers are never given twice, also after a crash: an episode that was started and has no
outcome was aborted by that crash.
"""

import json
import os
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
    """

    episode: int
    outcome: Outcome
    stamp_ns: int
    source: str
    detail: str
    revision: int


class Ledger:
    """Appends to `episodes.jsonl` and knows what is in it.

    Args:
        path: File; it is read when it exists.

    Raises:
        LedgerError: The file is damaged before its last line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[int, int] = {}
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
            return
        values: dict[str, Any] = {key: entry[key] for key in entry if key != "event"}
        values["outcome"] = Outcome[values["outcome"]]
        label = Label(**values)
        self.labels[label.episode] = label

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(json.dumps(entry).encode() + b"\n")
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

    def unlabelled(self) -> list[tuple[int, int]]:
        """Episode and start stamp [ns] of those that were started and never labelled."""
        return [(e, s) for e, s in sorted(self._started.items()) if e not in self.labels]

    def start(self, episode: int, stamp_ns: int) -> None:
        """Notes the start of an episode."""
        self._append({"event": "started", "episode": episode, "stamp_ns": stamp_ns})

    def label(
        self, episode: int, outcome: Outcome, stamp_ns: int, source: str, detail: str
    ) -> Label:
        """Notes a label, as a revision where the episode has one already."""
        earlier = self.labels.get(episode)
        revision = 0 if earlier is None else earlier.revision + 1
        label = Label(episode, outcome, stamp_ns, source, detail, revision)
        self._append({"event": "labelled", **asdict(label), "outcome": outcome.name})
        return label
