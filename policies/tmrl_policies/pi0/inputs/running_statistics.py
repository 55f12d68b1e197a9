"""Statistics of a data set that is read once, in batches.

Mean and variance are merged batch by batch (Chan, Golub and LeVeque, 1983). Quantiles come from
one histogram per column, whose bins are multiples of a power of two: when a value falls outside
of what fits, the bins double and join in pairs, so that no count is ever smeared.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tmrl_policies.pi0.inputs.statistics import SMALLEST_SPREAD, Columns, Statistics

_BINS = 8192


class RunningStatistics:
    """Collects the statistics of vectors; exact but for quantiles, which are good to a bin.

    A bin is at most 1/4096 of the range between the smallest and the largest value.
    """

    def __init__(self, dim: int) -> None:
        """Starts with nothing counted.

        Args:
            dim: Length of the vectors.
        """
        self._count = 0
        self._mean = np.zeros(dim)
        self._sum_of_squares = np.zeros(dim)
        self._histograms = [_Histogram() for _ in range(dim)]

    def update(self, rows: NDArray[np.floating]) -> None:
        """Count a batch.

        Args:
            rows: Shape (N, dim), finite.

        Raises:
            ValueError: The shape is another one, or a value is not finite.
        """
        dim = self._mean.shape[0]
        if rows.ndim != 2 or rows.shape[1] != dim:
            raise ValueError(f"rows have shape {rows.shape}; they must be (N, {dim})")
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise ValueError(
                f"column {column} of row {row} is {rows[row, column]}; leave out or repair the "
                "episode that it comes from"
            )
        if rows.shape[0] == 0:
            return
        values = rows.astype(np.float64)
        self._merge_moments(values)
        for histogram, column in zip(self._histograms, values.T, strict=True):
            histogram.add(column)

    def finish(self) -> Statistics:
        """The statistics so far.

        A column that never varies gets a standard deviation of 1 and quantiles one below and one
        above its value, so that it maps to zero instead of exploding when it does vary on the
        robot. Where nearly all values of a column are equal, its quantiles are its extremes.

        Raises:
            ValueError: Fewer than two vectors were counted.
        """
        if self._count < 2:
            raise ValueError(f"{self._count} vectors were counted; statistics take at least 2")
        std = np.sqrt(self._sum_of_squares / self._count)
        varies = std > SMALLEST_SPREAD
        q01, q99 = self._quantiles(varies)
        return Statistics(self._mean.copy(), np.where(varies, std, 1.0), q01, q99)

    def _merge_moments(self, values: NDArray[np.float64]) -> None:
        count = values.shape[0]
        mean = values.mean(axis=0)
        shift = mean - self._mean
        total = self._count + count
        self._sum_of_squares += ((values - mean) ** 2).sum(axis=0)
        self._sum_of_squares += shift**2 * (self._count * count / total)
        self._mean += shift * (count / total)
        self._count = total

    def _quantiles(self, varies: NDArray[np.bool_]) -> tuple[Columns, Columns]:
        low = np.array([histogram.quantile(0.01) for histogram in self._histograms])
        high = np.array([histogram.quantile(0.99) for histogram in self._histograms])
        equal = high - low <= SMALLEST_SPREAD
        low = np.where(equal, [histogram.low for histogram in self._histograms], low)
        high = np.where(equal, [histogram.high for histogram in self._histograms], high)
        return np.where(varies, low, self._mean - 1.0), np.where(varies, high, self._mean + 1.0)


class _Histogram:
    """Counts of one column. Bin i holds the values in [i, i + 1) times the width."""

    def __init__(self) -> None:
        self.low = math.inf
        self.high = -math.inf
        self._width = 0.0
        self._first = 0
        self._counts = np.zeros(1)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values, shape (N,) with N > 0."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        if self._width == 0.0:
            self._width = self._starting_width()
            self._first = math.floor(self.low / self._width)
        while self._last_bin() - self._first_bin() >= _BINS:
            self._double()
        self._grow(self._first_bin(), self._last_bin())
        places = np.floor(values / self._width).astype(np.int64) - self._first
        self._counts += np.bincount(places, minlength=self._counts.shape[0])

    def quantile(self, fraction: float) -> float:
        """The value below which `fraction` of the counted ones lie, within a bin."""
        cumulative = np.cumsum(self._counts)
        wanted = fraction * float(cumulative[-1])
        place = int(np.searchsorted(cumulative, wanted))
        inside = 1.0 - (cumulative[place] - wanted) / self._counts[place]
        value = (self._first + place + inside) * self._width
        return float(np.clip(value, self.low, self.high))

    def _starting_width(self) -> float:
        """The smallest power of two whose bins hold the first batch with room to spare."""
        spread = max(self.high - self.low, abs(self.low) * 1e-6, abs(self.high) * 1e-6, 1e-12)
        return 2.0 ** math.ceil(math.log2(2.0 * spread / _BINS))

    def _first_bin(self) -> int:
        return math.floor(self.low / self._width)

    def _last_bin(self) -> int:
        return math.floor(self.high / self._width)

    def _double(self) -> None:
        """Joins bins 2i and 2i + 1."""
        counts = self._counts
        if self._first % 2:
            counts = np.concatenate([[0.0], counts])
        if counts.shape[0] % 2:
            counts = np.concatenate([counts, [0.0]])
        self._counts = counts.reshape(-1, 2).sum(axis=1)
        self._first //= 2
        self._width *= 2.0

    def _grow(self, first: int, last: int) -> None:
        """Has bins from `first` to `last` at least."""
        before = max(self._first - first, 0)
        after = max(last - (self._first + self._counts.shape[0] - 1), 0)
        self._counts = np.pad(self._counts, (before, after))
        self._first -= before
