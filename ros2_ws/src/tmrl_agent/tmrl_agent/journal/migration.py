"""Brings a journal of an older schema version up to date, in one transaction."""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tmrl_agent.journal.errors import JournalCorruptError
from tmrl_agent.journal.schema import CREATE_TRANSITIONS, INSERT, later_columns, to_row
from tmrl_common.transition_cells import Cell, from_cells
from tmrl_common.transitions import SCHEMA_VERSION, Transition, origin_of

_COLUMNS_1 = (
    *("robot", "session", "sequence", "episode", "chunk", "revision", "features", "z", "sigma"),
    *("epsilon", "steering", "reward", "next_features", "terminated", "truncated", "aborted"),
    *("episode_outcome", "steps", "action_dim", "executed_actions", "driver", "clamped", "stamp_s"),
    *("actor_version", "policy_version", "seed", "inference_s", "round_trip_s"),
)
"""What version 1 held and computed its checksum over, in this order; it never changes again."""

_NS_PER_S = 1_000_000_000
_BATCH = 256


def migrate_from_1(database: sqlite3.Connection, path: Path) -> None:
    """Rewrite the transitions of a version-1 journal; a failure leaves the file as it was.

    Fields that version 1 did not have take their defaults, except for `origin`, which follows from
    the driver of each step, and the stamp, which is rounded from seconds to nanoseconds.

    Args:
        database: Connection to it, without an open transaction.
        path: Its file, for messages.

    Raises:
        JournalCorruptError: A row differs from what was written; nothing was changed.
        sqlite3.Error: The file refuses the write; nothing was changed.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute("ALTER TABLE transitions RENAME TO transitions_1")
        database.execute(CREATE_TRANSITIONS)
        old = database.execute(
            f"SELECT {', '.join(_COLUMNS_1)}, crc32 FROM transitions_1 "
            "ORDER BY robot, session, sequence"
        )
        while rows := old.fetchmany(_BATCH):
            database.executemany(INSERT, [to_row(_transition(row, path)) for row in rows])
        database.execute("DROP TABLE transitions_1")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def migrate_from_2(database: sqlite3.Connection) -> None:
    """Adds the columns that came after version 2; the rows and their hashes stay as they are.

    Args:
        database: Connection to it, without an open transaction.

    Raises:
        sqlite3.Error: The file refuses the write; nothing was changed.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        for declaration in later_columns():
            database.execute(f"ALTER TABLE transitions ADD COLUMN {declaration}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _transition(row: Sequence[Any], path: Path) -> Transition:
    *values, crc32 = row
    cells: dict[str, Any] = dict(zip(_COLUMNS_1, values, strict=True))
    try:
        intact = _checksum(values) == crc32
        return _from_cells_1(cells) if intact else _refuse(path, cells["sequence"])
    except ValueError:
        return _refuse(path, cells["sequence"])


def _from_cells_1(cells: dict[str, Any]) -> Transition:
    driver = np.frombuffer(cells["driver"], np.uint8)
    new: dict[str, Cell] = {
        "origin": origin_of(driver).value,
        "observation_stamp_ns": round(cells["stamp_s"] * _NS_PER_S),
    }
    return from_cells(cells | new)


def _checksum(values: Sequence[Any]) -> int:
    total = 0
    for value in values:
        total = zlib.crc32(value if isinstance(value, bytes) else repr(value).encode(), total)
    return total


def _refuse(path: Path, sequence: int) -> Transition:
    raise JournalCorruptError(
        f"{path} has schema version 1 and is damaged (checksum of transition {sequence}); nothing "
        "was changed. Restore the file from a copy, or keep it and start a new run directory; "
        f"'sqlite3 {path.name} .recover' saves what is readable"
    )
