"""Rows of named float32 columns, gathered into one buffer that is used again and again.

Three things keep drawing minibatches close to the speed of copying memory: a transition is one
contiguous row that starts on a cache line, so that one pass copies all of its columns; the rows lie
in huge pages; and the destination stays, because the pages of freshly allocated memory must be
mapped by the kernel on every draw.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from tmrl_common.transitions import InvalidTransitionError
from tmrl_common.types import FloatArray
from tmrl_learner.errors import LearnerError
from tmrl_learner.replay.row_set import IntArray
from tmrl_policies.torch_seam import from_numpy

_CACHE_LINE = 16
"""Float32 numbers per cache line."""


class ColumnStore:
    """`capacity` rows that can be written, and fixed rows behind them.

    Args:
        widths: Width of each column by name; one of them is called "reward".
        capacity: Number of rows that can be written.
        device: Torch device from which draws are served. On another device than the CPU, a copy of
            all rows lives there and follows what is written.
    """

    def __init__(self, widths: Mapping[str, int], capacity: int, device: str) -> None:
        self._slices: dict[str, slice] = {}
        end = 0
        for name, width in widths.items():
            self._slices[name] = slice(end, end + width)
            end += width
        # numpy asks the kernel for huge pages, torch does not.
        self._rows = np.zeros((capacity, -(-end // _CACHE_LINE) * _CACHE_LINE), np.float32)
        self._capacity = capacity
        self._fixed_sha256 = ""
        self._device = device
        self._mirror = self._make_mirror()
        self._gathered = torch.empty(0)

    @property
    def fixed(self) -> int:
        """Number of fixed rows."""
        return len(self._rows) - self._capacity

    @property
    def fixed_sha256(self) -> str:
        """Hash of the fixed rows' content, hexadecimal; empty without any."""
        return self._fixed_sha256

    def width(self, name: str) -> int:
        """Width of a column."""
        return self._slices[name].stop - self._slices[name].start

    def write(self, row: int, values: Mapping[str, ArrayLike]) -> None:
        """Overwrites one row; a value for each column."""
        for name, place in self._slices.items():
            self._rows[row, place] = values[name]
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
        rows = np.zeros((self._capacity + len(columns["reward"]), self._rows.shape[1]), np.float32)
        rows[: self._capacity] = self._rows
        digest = hashlib.sha256()
        for name, place in self._slices.items():
            column = np.ascontiguousarray(columns[name], np.float32)
            digest.update(f"{name} {column.shape};".encode() + column.tobytes())
            rows[self._capacity :, place] = column
        self._rows = rows
        self._fixed_sha256 = digest.hexdigest()
        self._mirror = self._make_mirror()

    def _check_fixed(self, columns: Mapping[str, FloatArray]) -> None:
        if columns.keys() != self._slices.keys():
            raise InvalidTransitionError(
                f"offline data have the columns {', '.join(sorted(columns))}; this learner needs "
                f"{', '.join(sorted(self._slices))}"
            )
        rows = len(columns["reward"])
        for name, column in columns.items():
            want = (rows, self.width(name))
            if column.shape != want or rows == 0:
                raise InvalidTransitionError(
                    f"offline data: {name} has shape {column.shape}; it must be {want}, with at "
                    "least one row"
                )
            if not np.isfinite(column).all():
                raise InvalidTransitionError(f"offline data: {name} holds a NaN or an infinity")

    def head(self, rows: int) -> dict[str, FloatArray]:
        """Copies of the first rows, by column."""
        return {name: self._rows[:rows, place].copy() for name, place in self._slices.items()}

    def load_head(self, rows: int, columns: Mapping[str, FloatArray]) -> None:
        """Overwrites the first rows with what `head` returned."""
        for name, place in self._slices.items():
            self._rows[:rows, place] = columns[name]
        if self._mirror is not None:
            self._mirror.outdated.update(range(rows))

    def gather(self, rows: IntArray) -> dict[str, Tensor]:
        """Copies rows, (n,), and returns one (n, width) tensor per column.

        The tensors are views of one buffer: the next call with as many rows overwrites them.
        """
        source = from_numpy(self._rows) if self._mirror is None else self._mirror.rows()
        if len(self._gathered) != rows.size:
            shape = (rows.size, self._rows.shape[1])
            self._gathered = from_numpy(np.empty(shape, np.float32)).to(source.device)
        index = from_numpy(rows).to(source.device)
        torch.index_select(source, 0, index, out=self._gathered)
        return {name: self._gathered[:, place] for name, place in self._slices.items()}

    def _make_mirror(self) -> "DeviceMirror | None":
        return None if self._device == "cpu" else DeviceMirror(self._rows, self._device)


class DeviceMirror:
    """The rows once more on a device, brought up to date when they are asked for.

    Args:
        original: (n, width), may change in place; `outdated` says in which rows.
        device: Torch device of the copy.

    Attributes:
        outdated: Rows that were written since `rows` was called; the writer adds to them.
    """

    def __init__(self, original: FloatArray, device: str) -> None:
        self.outdated: set[int] = set()
        self._original = from_numpy(original)
        self._copy = self._original.to(device, copy=True)

    def rows(self) -> Tensor:
        """The copy, with every write until now."""
        if self.outdated:
            rows = torch.tensor(sorted(self.outdated))
            changed = self._original[rows].to(self._copy.device)
            self._copy.index_copy_(0, rows.to(self._copy.device), changed)
            self.outdated.clear()
        return self._copy
