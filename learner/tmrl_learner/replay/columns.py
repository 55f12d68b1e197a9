"""Rows of numbers in named columns, gathered into buffers that are used again and again.

Two things make drawing minibatches slow: new memory for every draw, whose pages the kernel has to
map anew, and random access. Here the destination stays, and `np.take` walks each column once.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from tmrl_common.types import FloatArray
from tmrl_learner.errors import InvalidTransitionError, LearnerError
from tmrl_learner.replay.row_set import IntArray


class ColumnStore:
    """Float32 columns of `capacity` rows that can be written, and fixed rows behind them.

    Args:
        widths: Width of each column by name; a width of 0 costs nothing.
        capacity: Number of rows that can be written.
        device: Torch device from which draws are served. On another device than the CPU, a copy of
            all rows lives there and follows what is written.
    """

    def __init__(self, widths: Mapping[str, int], capacity: int, device: str) -> None:
        self._columns: dict[str, FloatArray] = {
            name: np.zeros((capacity, width), np.float32) for name, width in widths.items()
        }
        self._capacity = capacity
        self._fixed_sha256 = ""
        self._mirror = None if device == "cpu" else DeviceMirror(self._columns, device)
        self._scratch: dict[str, FloatArray] = {}

    @property
    def fixed(self) -> int:
        """Number of fixed rows."""
        return len(self._columns["reward"]) - self._capacity

    @property
    def fixed_sha256(self) -> str:
        """Hash of the fixed rows' content, hexadecimal; empty without any."""
        return self._fixed_sha256

    def width(self, name: str) -> int:
        """Width of a column."""
        return self._columns[name].shape[1]

    def write(self, row: int, values: Mapping[str, ArrayLike]) -> None:
        """Overwrites one row; a value for each column."""
        for name, column in self._columns.items():
            column[row] = values[name]
        if self._mirror is not None:
            self._mirror.outdated.add(row)

    def append_fixed(self, columns: Mapping[str, FloatArray]) -> None:
        """Adds rows that stay as they are.

        Args:
            columns: For each column an array of shape (n, width), n the same for all, at least 1.

        Raises:
            InvalidTransitionError: A column is missing, unknown, of another shape or not finite;
                nothing was changed.
            LearnerError: There are fixed rows already.
        """
        if self.fixed:
            raise LearnerError(
                f"offline data of {self.fixed} rows are loaded already; join the data sets first "
                "and load them once"
            )
        self._check_fixed(columns)
        digest = hashlib.sha256()
        for name, column in self._columns.items():
            rows = np.ascontiguousarray(columns[name], np.float32)
            digest.update(f"{name} {rows.shape};".encode() + rows.tobytes())
            self._columns[name] = np.concatenate([column, rows])
        self._fixed_sha256 = digest.hexdigest()
        if self._mirror is not None:
            self._mirror = DeviceMirror(self._columns, self._mirror.device)

    def _check_fixed(self, columns: Mapping[str, FloatArray]) -> None:
        if columns.keys() != self._columns.keys():
            raise InvalidTransitionError(
                f"offline data have the columns {', '.join(sorted(columns))}; this learner needs "
                f"{', '.join(sorted(self._columns))}"
            )
        rows = len(columns["reward"])
        for name, column in columns.items():
            want = (rows, self.width(name))
            if column.shape != want or rows == 0:
                raise InvalidTransitionError(
                    f"offline data: {name} has shape {column.shape}; it has to be {want}, with at "
                    "least one row"
                )
            if not np.isfinite(column).all():
                raise InvalidTransitionError(f"offline data: {name} holds a NaN or an infinity")

    def head(self, rows: int) -> dict[str, FloatArray]:
        """Copies of the first rows, by column."""
        return {name: column[:rows].copy() for name, column in self._columns.items()}

    def load_head(self, rows: int, columns: Mapping[str, FloatArray]) -> None:
        """Overwrites the first rows with what `head` returned."""
        for name, column in self._columns.items():
            column[:rows] = columns[name]
        if self._mirror is not None:
            self._mirror.outdated.update(range(rows))

    def gather(self, rows: IntArray) -> dict[str, Tensor]:
        """Copies rows, (n,), into one (n, width) tensor per column.

        The tensors are used again: the next call with as many rows overwrites them.
        """
        if self._mirror is not None:
            return self._mirror.gather(rows)
        out = self._scratch_for(rows.size)
        for name, column in self._columns.items():
            np.take(column, rows, axis=0, out=out[name], mode="clip")
        return {name: torch.from_numpy(column) for name, column in out.items()}

    def _scratch_for(self, rows: int) -> dict[str, FloatArray]:
        if not self._scratch or len(self._scratch["reward"]) != rows:
            self._scratch = {
                name: np.empty((rows, column.shape[1]), np.float32)
                for name, column in self._columns.items()
            }
        return self._scratch


class DeviceMirror:
    """The columns once more on a device, brought up to date right before a draw.

    Args:
        columns: The originals, which may change in place; `outdated` says in which rows.
        device: Torch device of the copy and of what is gathered.

    Attributes:
        outdated: Rows that were written since the last draw; the caller adds to them.
    """

    def __init__(self, columns: Mapping[str, FloatArray], device: str) -> None:
        self.device = device
        self.outdated: set[int] = set()
        self._originals = {name: torch.from_numpy(column) for name, column in columns.items()}
        self._copies = {
            name: column.to(device, copy=True) for name, column in self._originals.items()
        }
        self._scratch: dict[str, Tensor] = {}

    def gather(self, rows: IntArray) -> dict[str, Tensor]:
        """As `ColumnStore.gather`, on the device."""
        self._catch_up()
        if not self._scratch or len(self._scratch["reward"]) != rows.size:
            self._scratch = {
                name: copy.new_empty((rows.size, copy.shape[1]))
                for name, copy in self._copies.items()
            }
        index = torch.from_numpy(rows).to(self.device)
        for name, copy in self._copies.items():
            torch.index_select(copy, 0, index, out=self._scratch[name])
        return self._scratch

    def _catch_up(self) -> None:
        if not self.outdated:
            return
        rows = torch.tensor(sorted(self.outdated))
        on_device = rows.to(self.device)
        for name, copy in self._copies.items():
            copy.index_copy_(0, on_device, self._originals[name][rows].to(self.device))
        self.outdated.clear()
