"""The journal's tables, made from the table of a transition's fields."""

from pathlib import Path
from typing import Any

from tmrl_agent.journal.errors import damaged
from tmrl_common.transition_cells import (
    SHAPE_CELLS,
    Cell,
    DamagedCellsError,
    content_hash,
    from_hashed_cells,
    to_cells,
)
from tmrl_common.transitions import FIELDS, Kind, Transition, TransitionField

_TYPES = {
    Kind.TEXT: "TEXT",
    Kind.NAME: "TEXT",
    Kind.NAMED_STAMPS: "TEXT",
    Kind.COUNT: "INTEGER",
    Kind.FLAG: "INTEGER",
    Kind.CODE: "INTEGER",
    Kind.STAMP: "INTEGER",
    Kind.NUMBER: "REAL",
    Kind.VECTOR: "BLOB",
    Kind.ROWS: "BLOB",
    Kind.STEP_CODES: "BLOB",
    Kind.STEP_STAMPS: "BLOB",
}

_LENGTHS = {
    Kind.VECTOR: "length({name}) % 4 = 0",
    Kind.ROWS: "length({name}) = 4 * steps * action_dim",
    Kind.STEP_CODES: "length({name}) = steps",
    Kind.STEP_STAMPS: "length({name}) IN (0, 8 * steps)",
}


def _declaration(each: TransitionField) -> str:
    rules: list[str] = []
    if each.kind in _LENGTHS:
        rules.append(_LENGTHS[each.kind].format(name=each.name))
    if each.column.like:
        rules.append(f"length({each.name}) = length({each.column.like})")
    if each.kind is Kind.COUNT:
        rules.append(f"{each.name} BETWEEN {each.column.low:d} AND {each.column.high:d}")
    checks = "".join(f" CHECK ({rule})" for rule in rules)
    return f"{each.name} {_TYPES[each.kind]} NOT NULL{checks}"


COLUMNS = (*(each.name for each in FIELDS), *SHAPE_CELLS)
"""Of the table of transitions, without the content hash."""

_DECLARATIONS = ",\n    ".join(
    [*map(_declaration, FIELDS), *(f"{name} INTEGER NOT NULL" for name in SHAPE_CELLS)]
)

CREATE_TRANSITIONS = f"""CREATE TABLE transitions (
    {_DECLARATIONS},
    content_hash TEXT NOT NULL,
    PRIMARY KEY (robot, session, sequence),
    UNIQUE (robot, session, episode, chunk, revision)
) STRICT"""

CREATE_LABELS = """CREATE TABLE labels (
    robot TEXT NOT NULL, session TEXT NOT NULL, episode INTEGER NOT NULL, revision INTEGER NOT NULL,
    outcome INTEGER NOT NULL, stamp_ns INTEGER NOT NULL, source TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (robot, session, episode, revision)
) STRICT"""

INSERT = (
    f"INSERT INTO transitions ({', '.join(COLUMNS)}, content_hash) "
    f"VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"
)
SELECT = (
    f"SELECT {', '.join(COLUMNS)}, content_hash FROM transitions WHERE robot = ? AND session = ?"
)


def to_row(transition: Transition) -> tuple[Cell, ...]:
    """Returns the values of INSERT."""
    cells = to_cells(transition)
    return (*cells.values(), content_hash(cells))


def from_row(row: tuple[Any, ...], path: Path) -> Transition:
    """Returns the transition of a row of SELECT.

    SQLite itself does not notice a flipped bit in a value; the hash does.

    Raises:
        JournalCorruptError: The row differs from what was written.
    """
    *values, stored = row
    cells: dict[str, Cell] = dict(zip(COLUMNS, values, strict=True))
    try:
        return from_hashed_cells(cells, stored)
    except DamagedCellsError as error:
        raise damaged(path, f"checksum of transition {cells['sequence']}") from error
