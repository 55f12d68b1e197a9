"""Judges what was stored, with SQL alone: the agent's journal against the learner's copy."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

JOURNAL = "journal.sqlite"
COPY = "transitions_copy.sqlite"
CHECKPOINT = Path("checkpoint", "learner.json")
_PATIENCE_S = 5.0
"""While another process begins or recovers a file, it cannot be opened to be read only."""


@dataclass(frozen=True)
class Stored:
    """What one file holds of one session: content hashes by sequence number."""

    hashes: Mapping[int, str]

    @property
    def newest(self) -> int:
        """The highest number; 0 for none."""
        return max(self.hashes, default=0)


@dataclass
class RowVerdict:
    """What was found, one sentence each.

    Attributes:
        rows: Of the journal.
        lost: Rows that one side has and another one lacks, or has with another content.
    """

    rows: int = 0
    lost: list[str] = field(default_factory=list)


def newest(path: Path, table: str) -> int:
    """The highest sequence number in a file that others write to; 0 where there is none yet."""
    found = _select(path, f"SELECT max(sequence) FROM {table}")
    return int(found[0][0] or 0) if found else 0


def newest_in_journal(run_dir: Path) -> int:
    """The highest sequence number that the agent has committed."""
    return newest(run_dir / JOURNAL, "transitions")


def newest_stored(run_dir: Path) -> int:
    """The highest sequence number that the learner has taken."""
    return newest(run_dir / COPY, "rows")


def read(path: Path, table: str) -> Stored:
    """All rows of a file."""
    rows = _select(path, f"SELECT sequence, content_hash FROM {table}")
    return Stored({int(sequence): str(content) for sequence, content in rows})


def learned(run_dir: Path) -> int:
    """Up to which number the learner's checkpoint holds every row, by its record."""
    path = run_dir / CHECKPOINT
    if not path.exists():
        return 0
    seen = _find(json.loads(path.read_text(encoding="utf-8")), "seen") or []
    return min((int(contiguous) for *_, contiguous, _ in seen), default=0)


def judge(run_dir: Path, announced: Mapping[int, str]) -> RowVerdict:
    """Judges a run whose sessions have ended.

    Args:
        run_dir: Of the run.
        announced: Content hash of every transition that was heard on its topic, by number.
    """
    journal = read(run_dir / JOURNAL, "transitions")
    copy = read(run_dir / COPY, "rows")
    verdict = compare(journal, copy, announced)
    if (up_to := learned(run_dir)) < journal.newest:
        missing = range(up_to + 1, journal.newest + 1)
        verdict.lost += [f"row {each} is not in the learner's checkpoint" for each in missing]
    return verdict


def compare(journal: Stored, copy: Stored, announced: Mapping[int, str]) -> RowVerdict:
    """Judges what each of the three has."""
    verdict = RowVerdict(len(journal.hashes))
    every = max(journal.newest, copy.newest, max(announced, default=0))
    for number in range(1, every + 1):
        mine, theirs = journal.hashes.get(number), copy.hashes.get(number)
        if mine is None:
            verdict.lost.append(f"row {number} is not in the journal")
        elif theirs is None:
            verdict.lost.append(f"row {number} is not in the learner's copy")
        elif theirs != mine:
            verdict.lost.append(f"row {number} is another one in the learner's copy")
        elif announced.get(number, mine) != mine:
            verdict.lost.append(f"row {number} was published with another content")
    return verdict


def _select(path: Path, query: str) -> list[tuple[object, ...]]:
    """Rows of a file, which is not written to; none where it, or its table, is not there yet.

    Raises:
        sqlite3.Error: It cannot be read, also not a little later.
    """
    ends_s = time.monotonic() + _PATIENCE_S
    while path.exists():
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                return database.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            if time.monotonic() > ends_s:
                raise
            time.sleep(0.05)
    return []


def _find(content: object, key: str) -> list[list[object]] | None:
    """The first value of a key, however deep it lies."""
    if isinstance(content, dict):
        if key in content:
            return content[key]
        found = (_find(value, key) for value in content.values())
        return next((each for each in found if each is not None), None)
    return None
