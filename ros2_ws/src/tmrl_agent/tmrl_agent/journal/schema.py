"""The journal's tables, made from the table of a transition's fields."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tmrl_agent.journal.errors import damaged
from tmrl_common.transition_cells import (
    LATER_DEFAULTS,
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
    # Rows of before it came get the default, which their content hash passes over.
    absent = (
        f" DEFAULT {_literal(LATER_DEFAULTS[each.name])}" if each.name in LATER_DEFAULTS else ""
    )
    return f"{each.name} {_TYPES[each.kind]} NOT NULL{absent}{checks}"


def _literal(cell: Cell) -> str:
    return f"x'{cell.hex()}'" if isinstance(cell, bytes) else repr(cell)


def later_columns() -> list[str]:
    """Returns the declaration of each column that came after version LAST_WHOLE_VERSION."""
    return [_declaration(each) for each in FIELDS if each.name in LATER_DEFAULTS]


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


def select(columns: Sequence[str]) -> str:
    """Returns the query for rows of one session of one arm, which `from_row` reads."""
    names = ", ".join(columns)
    return f"SELECT {names}, content_hash FROM transitions WHERE robot = ? AND session = ?"


def columns_of(version: int) -> tuple[str, ...]:
    """Returns the columns of a journal of a schema version from LAST_WHOLE_VERSION on."""
    younger = {each.name for each in FIELDS if each.column.since > version}
    return tuple(name for name in COLUMNS if name not in younger)


def to_row(transition: Transition) -> tuple[Cell, ...]:
    """Returns the values of INSERT."""
    cells = to_cells(transition)
    return (*cells.values(), content_hash(cells))


def from_row(row: tuple[Any, ...], columns: Sequence[str], path: Path) -> Transition:
    """Returns the transition of a row of `select`.

    SQLite itself does not notice a flipped bit in a value; the hash does.

    Args:
        row: Its cells.
        columns: Of the query.
        path: Of the journal, for messages.

    Raises:
        JournalCorruptError: The row differs from what was written.
    """
    *values, stored = row
    cells: dict[str, Cell] = dict(zip(columns, values, strict=True))
    try:
        return from_hashed_cells(cells, stored)
    except DamagedCellsError as error:
        raise damaged(path, f"checksum of transition {cells['sequence']}") from error
