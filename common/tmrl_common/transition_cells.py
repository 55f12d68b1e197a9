"""A transition as flat cells: what SQLite stores, and what its content hash is computed over.

Numbers are float32, as everywhere on the wire, so that journal, message and hash agree to the bit.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tmrl_common.transitions import (
    FIELDS,
    LAST_WHOLE_VERSION,
    Kind,
    Transition,
    TransitionField,
)

Cell = str | int | float | bytes
"""What SQLite holds in one column of one row."""

SHAPE_CELLS = ("steps", "action_dim")
"""Cells beside those of the fields: the shape of executed_actions."""

FLOATS, CODES, STAMPS = np.dtype("<f4"), np.dtype("u1"), np.dtype("<i8")
"""Byte layout of the arrays."""

_ARRAYS = {
    Kind.VECTOR: FLOATS,
    Kind.ROWS: FLOATS,
    Kind.STEP_CODES: CODES,
    Kind.STEP_STAMPS: STAMPS,
}


class DamagedCellsError(ValueError):
    """Cells are not what their content hash was computed over."""


def to_cells(transition: Transition) -> dict[str, Cell]:
    """Returns the cell of every field in the table's order, then the shape of executed_actions."""
    cells: dict[str, Cell] = {
        each.name: _to_cell(each.kind, getattr(transition, each.name)) for each in FIELDS
    }
    shape = transition.executed_actions.shape
    return cells | dict(zip(SHAPE_CELLS, map(int, shape), strict=True))


def from_cells(cells: Mapping[str, Cell]) -> Transition:
    """Returns the transition of these cells; a field without a cell keeps its default.

    Raises:
        KeyError: A field without a default has no cell.
        ValueError: A cell cannot be what its field holds.
    """
    values: dict[str, Any] = {
        each.name: _from_cell(each, cells)
        for each in FIELDS
        if each.name in cells or not each.optional
    }
    return Transition(**values)


def content_hash(cells: Mapping[str, Cell]) -> str:
    """Returns the SHA-256 over names and values of all cells, hexadecimal.

    Each part is preceded by its length: no two different contents give the same bytes. Fields of a
    version after LAST_WHOLE_VERSION count where they hold something else than their default: with
    and without their cells a row has one hash.
    """
    digest = hashlib.sha256()
    for name, value in cells.items():
        if name in LATER_DEFAULTS and value == LATER_DEFAULTS[name]:
            continue
        for part in (name.encode(), _to_bytes(value)):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def from_hashed_cells(cells: Mapping[str, Cell], expected: str) -> Transition:
    """Returns the transition of these cells, if they are what the hash was computed over.

    Raises:
        DamagedCellsError: The hash is another.
        KeyError: A field without a default has no cell.
        ValueError: A cell cannot be what its field holds.
    """
    if content_hash(cells) != expected:
        raise DamagedCellsError("its content hash is another: it was damaged on its way")
    return from_cells(cells)


def hash_of(transition: Transition) -> str:
    """Returns the content hash of a transition."""
    return content_hash(to_cells(transition))


def _to_bytes(value: Cell) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        return np.float32(value).astype(FLOATS).tobytes()
    return str(value).encode()


def _to_cell(kind: Kind, value: Any) -> Cell:
    if kind in _ARRAYS:
        return np.ascontiguousarray(value, dtype=_ARRAYS[kind]).tobytes()
    return _SCALARS[kind](value)


_SCALARS: dict[Kind, Callable[[Any], Cell]] = {
    Kind.TEXT: str,
    Kind.COUNT: int,
    Kind.NUMBER: lambda value: float(np.float32(value)),
    Kind.FLAG: int,
    Kind.NAME: lambda value: value.value,
    Kind.CODE: int,
    Kind.STAMP: int,
    Kind.NAMED_STAMPS: lambda value: json.dumps(dict(value), sort_keys=True),
}


LATER_DEFAULTS: dict[str, Cell] = {
    each.name: _to_cell(each.kind, each.make_default())
    for each in FIELDS
    if each.column.since > LAST_WHOLE_VERSION
}
"""Cell of each field of a version after LAST_WHOLE_VERSION, in a row of before it came."""


def _from_cell(each: TransitionField, cells: Mapping[str, Cell]) -> Any:
    cell: Any = cells[each.name]
    if each.kind in _ARRAYS:
        layout = _ARRAYS[each.kind]
        array = np.frombuffer(cell, dtype=layout).astype(layout.newbyteorder("="))
        if each.kind is not Kind.ROWS:
            return array
        steps, action_dim = (int(cells[name]) for name in SHAPE_CELLS)
        return array.reshape(steps, action_dim)
    if each.kind in (Kind.NAME, Kind.CODE):
        return each.python_type(cell)
    if each.kind is Kind.FLAG:
        return bool(cell)
    return json.loads(cell) if each.kind is Kind.NAMED_STAMPS else cell
