"""Parquet files as numbers, with sentences for what does not fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tmrl_common.config import nearest_name
from tmrl_learner.pi0.lerobot.errors import DatasetError
from tmrl_learner.pi0.lerobot.text_files import what_it_is


class Table:
    """Some columns of a file, in memory.

    Args:
        path: Of the file, for messages.
        table: pyarrow's own, which has no types.
    """

    def __init__(self, path: Path, table: Any) -> None:
        self.path = path
        self._table = table

    @property
    def length(self) -> int:
        """Number of rows."""
        return self._table.num_rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns that were read."""
        return list(self._table.column_names)

    def rows(self) -> list[dict[str, Any]]:
        """All rows as Python values by column."""
        return self._table.to_pylist()

    def numbers(self, column: str, rows: slice, whose: str) -> NDArray[np.float64]:
        """Some rows of a column of numbers or of equally long lists of numbers.

        Args:
            column: Name of the column.
            rows: Which rows, N of them; from a start to a stop.
            whose: Names the rows in messages, which count from the first of them.

        Returns:
            Shape (N, D); D is 1 for plain numbers. A number that is missing inside of a list is
            NaN.

        Raises:
            DatasetError: The column holds no numbers, a row is missing, or lists differ in length.
        """
        part = self._table.column(column).slice(rows.start, rows.stop - rows.start)
        values = part.combine_chunks()
        nested = _is_list(values.type)
        where = f"{self.path}: column '{column}'"
        if values.null_count:
            missing = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
            raise DatasetError(
                f"{where} has nothing in row {missing} of {whose} (rows without a value: "
                f"{values.null_count}); leave the episode out or repair it"
            )
        flat = values.flatten() if nested else values
        if not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
            raise DatasetError(f"{where} holds {values.type}; it must hold numbers")
        if nested:
            _check_lengths(where, values.value_lengths().to_numpy(zero_copy_only=False), whose)
        array = flat.to_numpy(zero_copy_only=False).astype(np.float64)
        return array.reshape(len(values), len(array) // len(values) if len(values) else 1)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Opens a file.

    Raises:
        DatasetError: It is absent or no whole Parquet file.
    """
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; copy the data set again") from error
    except (pa.ArrowInvalid, OSError) as error:
        fault = what_it_is(path, f"not a whole Parquet file: {error}; copy it again")
        raise DatasetError(f"{path} is {fault}") from error


def read_columns(path: Path, columns: Sequence[str], where_there: Sequence[str] = ()) -> Table:
    """Reads some columns of a file.

    Args:
        path: Of the file.
        columns: Columns that must be there.
        where_there: Columns that are read if the file has them.

    Raises:
        DatasetError: The file or a column is absent, or the file is damaged.
    """
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise DatasetError(f"{path} has no column '{column}'; {nearest_name(column, names)}")
    wanted = [*columns, *(column for column in where_there if column in names)]
    try:
        with open_parquet(path) as file:
            return Table(path, file.read(columns=wanted))
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path} is damaged: {error}; copy it again") from error


def column_names(path: Path) -> list[str]:
    """Names of a file's columns.

    Raises:
        DatasetError: It is absent or no whole Parquet file.
    """
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def _is_list(kind: Any) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _check_lengths(where: str, lengths: NDArray[np.int64], whose: str) -> None:
    if len(lengths) and (lengths != lengths[0]).any():
        odd = int(np.flatnonzero(lengths != lengths[0])[0])
        raise DatasetError(
            f"{where} has {lengths[odd]} numbers in row {odd} of {whose} and {lengths[0]} in its "
            "row 0; all rows need the same length"
        )
