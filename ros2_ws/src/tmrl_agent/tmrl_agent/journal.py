"""The journal on the robot's machine: every transition and label, committed before it is published.

SQLite in WAL mode with synchronous=FULL: what `append` has returned for survives a crash of the
process and a loss of power (0.44 ms per transition, where a chunk lasts 100 ms and more).
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tmrl_agent.events import EpisodeLabel
from tmrl_common.errors import LocalError
from tmrl_common.types import FloatArray, Outcome, SteeringSource, Transition

SCHEMA_VERSION = 1
MAX_FETCH = 256
_LOCK_WAIT_S = 1.0

_SCHEMA = """
CREATE TABLE transitions (
    robot TEXT NOT NULL, session TEXT NOT NULL, sequence INTEGER NOT NULL CHECK (sequence > 0),
    episode INTEGER NOT NULL, chunk INTEGER NOT NULL, revision INTEGER NOT NULL,
    features BLOB NOT NULL CHECK (length(features) % 4 = 0),
    z BLOB NOT NULL CHECK (length(z) % 4 = 0),
    sigma REAL NOT NULL,
    epsilon BLOB NOT NULL CHECK (length(epsilon) % 4 = 0),
    steering TEXT NOT NULL, reward REAL NOT NULL,
    next_features BLOB NOT NULL CHECK (length(next_features) = length(features)),
    terminated INTEGER NOT NULL, truncated INTEGER NOT NULL, aborted INTEGER NOT NULL,
    episode_outcome INTEGER NOT NULL,
    steps INTEGER NOT NULL, action_dim INTEGER NOT NULL,
    executed_actions BLOB NOT NULL CHECK (length(executed_actions) = 4 * steps * action_dim),
    driver BLOB NOT NULL CHECK (length(driver) = steps),
    clamped INTEGER NOT NULL, stamp_s REAL NOT NULL, actor_version INTEGER NOT NULL,
    policy_version TEXT NOT NULL, seed INTEGER NOT NULL, inference_s REAL NOT NULL,
    round_trip_s REAL NOT NULL, crc32 INTEGER NOT NULL,
    PRIMARY KEY (robot, session, sequence),
    UNIQUE (robot, session, episode, chunk, revision)
) STRICT;
CREATE TABLE labels (
    robot TEXT NOT NULL, session TEXT NOT NULL, episode INTEGER NOT NULL, revision INTEGER NOT NULL,
    outcome INTEGER NOT NULL, stamp_ns INTEGER NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (robot, session, episode, revision)
) STRICT;
"""

_COLUMNS = (
    "robot, session, sequence, episode, chunk, revision, features, z, sigma, epsilon, steering, "
    "reward, next_features, terminated, truncated, aborted, episode_outcome, steps, action_dim, "
    "executed_actions, driver, clamped, stamp_s, actor_version, policy_version, seed, inference_s, "
    "round_trip_s"
)
_INSERT = (
    f"INSERT INTO transitions ({_COLUMNS}, crc32) "
    f"VALUES ({', '.join('?' * (len(_COLUMNS.split(',')) + 1))})"
)
_SELECT = f"SELECT {_COLUMNS}, crc32 FROM transitions WHERE robot = ? AND session = ?"


class JournalError(LocalError):
    """The journal could not do what was asked; what it held before is unchanged."""


class JournalFullError(JournalError):
    """There is no room left for the journal; the write may be tried again."""


class JournalCorruptError(JournalError):
    """The file is no journal, or its content is damaged."""


class Journal:
    """Append-only store of one session of one arm.

    Args:
        path: The SQLite file; its directory has to exist. It is made if it is absent.
        robot: Name of the arm.
        session: Identifier of the fine-tuning run.

    Raises:
        JournalCorruptError: The file is damaged, or no journal.
        JournalError: It has another schema version, or cannot be opened.
    """

    def __init__(self, path: Path, robot: str, session: str) -> None:
        self.path = path
        self._key = (robot, session)
        with self._sentences():
            self._database = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None)
            self._open()
        self._last_sequence = int(self._scalar("max(sequence)", "transitions"))

    @property
    def last_sequence(self) -> int:
        """Highest sequence number in it; 0 while it is empty."""
        return self._last_sequence

    @property
    def last_episode(self) -> int:
        """Highest episode with a transition or a label; 0 while there is none."""
        with self._sentences():
            stored = self._scalar("max(episode)", "transitions")
            return max(stored, self._scalar("max(episode)", "labels"))

    def label_revisions(self) -> dict[int, int]:
        """Highest revision of the label of each labelled episode."""
        with self._sentences():
            rows = self._database.execute(
                "SELECT episode, max(revision) FROM labels WHERE robot = ? AND session = ? "
                "GROUP BY episode",
                self._key,
            )
            return dict(rows.fetchall())

    def labels(self) -> list[EpisodeLabel]:
        """Every label with every revision, in the order of episode and revision."""
        with self._sentences():
            rows = self._database.execute(
                "SELECT episode, outcome, stamp_ns, revision, source, detail FROM labels "
                "WHERE robot = ? AND session = ? ORDER BY episode, revision",
                self._key,
            ).fetchall()
        return [EpisodeLabel(episode, Outcome(value), *rest) for episode, value, *rest in rows]

    def append(self, transitions: Sequence[Transition], label: EpisodeLabel | None = None) -> None:
        """Writes transitions and the label that they apply, all or nothing, and commits.

        Args:
            transitions: Numbered without a gap from `last_sequence + 1` on.
            label: What ended or relabelled their episode.

        Raises:
            JournalFullError: The disk is full; nothing was written, nothing stored is lost.
            JournalError: A number leaves a gap, the transition is of another session, an array has
                a wrong length, or the file refuses the write.
        """
        for number, transition in enumerate(transitions, start=self._last_sequence + 1):
            if (transition.robot, transition.session) != self._key:
                raise JournalError(
                    f"transition {transition.sequence} is of {transition.robot}/"
                    f"{transition.session}; this journal is of {'/'.join(self._key)}"
                )
            if transition.sequence != number:
                raise JournalError(
                    f"transition {transition.sequence} would leave a gap: the next number in "
                    f"{self.path} is {number}"
                )
        rows = [_row(transition) for transition in transitions]
        with self._sentences(), self._transaction():
            self._database.executemany(_INSERT, rows)
            if label is not None:
                self._database.execute(
                    "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (*self._key, *_label_row(label)),
                )
        self._last_sequence += len(rows)

    def fetch(self, first_sequence: int, max_count: int) -> list[Transition]:
        """Transitions from a number on, in order.

        Args:
            first_sequence: Lowest number to return.
            max_count: At most so many, and never more than MAX_FETCH.

        Raises:
            JournalCorruptError: A row differs from what was written.
        """
        return self._select(
            "AND sequence >= ? ORDER BY sequence LIMIT ?",
            (max(first_sequence, 0), min(max_count, MAX_FETCH)),
        )

    def last_of(self, episode: int) -> Transition | None:
        """Newest revision of an episode's labelled transition, else of its highest chunk."""
        found = self._select(
            "AND episode = ? ORDER BY episode_outcome = ?, chunk DESC, revision DESC LIMIT 1",
            (episode, int(Outcome.PENDING)),
        )
        return found[0] if found else None

    def close(self) -> None:
        """Releases the file."""
        self._database.close()

    def _open(self) -> None:
        execute = self._database.execute
        execute("PRAGMA synchronous = FULL")
        mode = execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalError(f"{self.path}: this file system allows journal mode {mode}, not WAL")
        damage = execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise JournalCorruptError(_corrupt(self.path, damage))
        version = execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not execute("SELECT 1 FROM sqlite_master").fetchone():
            script = f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            self._database.executescript(script)
        elif version != SCHEMA_VERSION:
            raise JournalError(
                f"{self.path} has schema version {version}, this software reads {SCHEMA_VERSION}; "
                "use a new run directory, or the software that wrote it"
            )

    def _scalar(self, expression: str, table: str) -> int:
        row = self._database.execute(
            f"SELECT {expression} FROM {table} WHERE robot = ? AND session = ?",
            self._key,
        ).fetchone()
        return row[0] or 0

    def _select(self, condition: str, values: tuple[int, ...]) -> list[Transition]:
        with self._sentences():
            rows = self._database.execute(f"{_SELECT} {condition}", (*self._key, *values))
            return [_transition(row, self.path) for row in rows.fetchall()]

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _sentences(self) -> Generator[None, None, None]:
        """Turns SQLite's errors into ours, each with the file and the remedy."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                raise JournalFullError(
                    f"no room left for {self.path}; free disk space, then it goes on by itself"
                ) from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise JournalCorruptError(_corrupt(self.path, str(error))) from error
            raise JournalError(f"{self.path}: {error}") from error


def _corrupt(path: Path, what: str) -> str:
    return (
        f"{path} is damaged ({what}); keep a copy, save what is readable with "
        f"'sqlite3 {path.name} .recover', and start a new run directory"
    )


def _float_blob(values: FloatArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def _floats(blob: bytes) -> FloatArray:
    return np.frombuffer(blob, dtype="<f4").astype(np.float32)


def _label_row(label: EpisodeLabel) -> tuple[int | str, ...]:
    number = (label.episode, label.revision, int(label.outcome), label.stamp_ns)
    return (*number, label.source, label.detail)


def _checksum(row: Sequence[Any]) -> int:
    """CRC-32 over every column: SQLite itself does not notice a flipped bit in a value."""
    total = 0
    for value in row:
        total = zlib.crc32(value if isinstance(value, bytes) else repr(value).encode(), total)
    return total


def _row(transition: Transition) -> tuple[Any, ...]:
    t = transition
    steps, action_dim = t.executed_actions.shape
    row = (
        *(t.robot, t.session, t.sequence, t.episode, t.chunk, t.revision),
        *(_float_blob(t.features), _float_blob(t.z), float(t.sigma), _float_blob(t.epsilon)),
        *(t.steering.value, float(t.reward), _float_blob(t.next_features)),
        *(int(t.terminated), int(t.truncated), int(t.aborted), int(t.episode_outcome)),
        *(int(steps), int(action_dim), _float_blob(t.executed_actions)),
        *(np.ascontiguousarray(t.driver, dtype=np.uint8).tobytes(), int(t.clamped)),
        *(float(t.stamp_s), t.actor_version, t.policy_version, t.seed),
        *(float(t.inference_s), float(t.round_trip_s)),
    )
    return (*row, _checksum(row))


def _transition(row: tuple[Any, ...], path: Path) -> Transition:
    *values, crc32 = row
    if _checksum(values) != crc32:
        raise JournalCorruptError(_corrupt(path, f"checksum of transition {values[2]}"))
    column: dict[str, Any] = dict(zip(_COLUMNS.split(", "), values, strict=True))
    shape = (column.pop("steps"), column.pop("action_dim"))
    for name in ("features", "z", "epsilon", "next_features", "executed_actions"):
        column[name] = _floats(column[name])
    for name in ("terminated", "truncated", "aborted", "clamped"):
        column[name] = bool(column[name])
    column["executed_actions"] = column["executed_actions"].reshape(shape)
    column["driver"] = np.frombuffer(column["driver"], dtype=np.uint8).copy()
    column["steering"] = SteeringSource(column["steering"])
    column["episode_outcome"] = Outcome(column["episode_outcome"])
    return Transition(**column)
