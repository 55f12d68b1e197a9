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


class Table:
    """Some columns of a file, in memory.

    Args:
        path: Of the file, for messages.
        table: pyarrow's own, which has no types.
    """

    def __init__(self, path: Path, table: Any) -> None:
        self.path = path
        self._table = table

    def values(self, column: str) -> list[Any]:
        """A column as Python values."""
        return self._table.column(column).to_pylist()

    def rows(self) -> list[dict[str, Any]]:
        """All rows as Python values by column."""
        return self._table.to_pylist()

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of numbers or of equally long lists of numbers.

        Args:
            column: Name of the column; N rows.

        Returns:
            Shape (N, D); D is 1 for plain numbers.

        Raises:
            DatasetError: A value is missing, lists differ in length, or a number is not finite.
        """
        values = self._table.column(column).combine_chunks()
        rows, nested = len(values), pa.types.is_nested(values.type)
        flat = values.flatten() if nested else values
        where = f"{self.path}: column '{column}'"
        if not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
            raise DatasetError(f"{where} holds {values.type}; it must hold numbers")
        if missing := values.null_count + flat.null_count:
            raise DatasetError(f"{where} lacks {missing} of its values; leave the episodes out")
        if nested:
            _check_lengths(where, values.value_lengths().to_numpy(zero_copy_only=False))
        array = flat.to_numpy(zero_copy_only=False).astype(np.float64)
        array = array.reshape(rows, -1) if rows else array.reshape(0, 1)
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            raise DatasetError(
                f"{where} has {array[bad[0]].tolist()} in row {bad[0]}; all numbers must be "
                "finite: leave the episode out or repair it"
            )
        return array


def open_parquet(path: Path) -> pq.ParquetFile:
    """Opens a file.

    Raises:
        DatasetError: It is absent or no whole Parquet file.
    """
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing; copy the data set again") from error
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{path} is not a whole Parquet file: {error}; copy it again") from error


def read_columns(path: Path, columns: Sequence[str]) -> Table:
    """Reads some columns of a file.

    Raises:
        DatasetError: The file or a column is absent, or the file is damaged.
    """
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise DatasetError(f"{path} has no column '{column}'; {nearest_name(column, names)}")
    try:
        with open_parquet(path) as file:
            return Table(path, file.read(columns=list(columns)))
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f"{path} is damaged: {error}; copy it again") from error


def column_names(path: Path) -> list[str]:
    """Names of a file's columns.

    Raises:
        DatasetError: It is absent or no whole Parquet file.
    """
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def _check_lengths(where: str, lengths: NDArray[np.int64]) -> None:
    if len(lengths) and (lengths != lengths[0]).any():
        odd = int(np.flatnonzero(lengths != lengths[0])[0])
        raise DatasetError(
            f"{where} has {lengths[odd]} numbers in row {odd} and {lengths[0]} in row 0; all rows "
            "need the same length"
        )
