"""Raw units to numbers around zero, and back."""

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray
from tmrl_policies.pi0.inputs.rigs import Scale
from tmrl_policies.pi0.inputs.statistics import Statistics

_EPSILON = 1e-6
"""Added to every divisor, as in openpi; the weights were trained with it."""


class Scaling:
    """A fixed affine map of the last dimension; nothing is clipped in either direction.

    By quantiles, a column that never varied is held: its value, whatever it is, becomes -1, as
    its only one did in the data, and -1 or anything else becomes that value. What the weights say
    about such a column does not move anything, and what a robot reports there does not reach them
    multiplied by a million.
    """

    def __init__(self, statistics: Statistics, scale: Scale) -> None:
        """Prepares the map.

        Args:
            statistics: Of the columns.
            scale: Which of the two conventions.

        Raises:
            ValueError: The statistics lack what the scale needs, or cannot scale a column.
        """
        statistics.check(scale)
        self._held: NDArray[np.bool_] | None = None
        if scale is Scale.QUANTILE:
            low, high = statistics.quantiles()
            # (x - q01) / (q99 - q01) * 2 - 1, as x = middle + unit * normalised
            self._unit = (high - low + _EPSILON) / 2.0
            self._zero = low + self._unit
            held = statistics.held()
            self._held = held if held.any() else None
        else:
            self._unit = statistics.std + _EPSILON
            self._zero = statistics.mean

    @property
    def zero(self) -> NDArray[np.float64]:
        """What becomes 0, raw units, shape (D,)."""
        return self._zero

    @property
    def unit(self) -> NDArray[np.float64]:
        """What becomes 1 more, raw units, shape (D,); next to 0 where a column never varied."""
        return self._unit

    def normalise(self, raw: NDArray[np.floating]) -> FloatArray:
        """Values of unit size, shape (..., D), float32, for raw ones of that shape."""
        exact = (raw.astype(np.float64) - self._zero) / self._unit
        return self._with_held(exact).astype(np.float32)

    def restore(self, normalised: NDArray[np.floating]) -> FloatArray:
        """Raw values, shape (..., D), float32, for normalised ones of that shape."""
        exact = self._with_held(normalised.astype(np.float64))
        return (exact * self._unit + self._zero).astype(np.float32)

    def _with_held(self, normalised: NDArray[np.float64]) -> NDArray[np.float64]:
        return normalised if self._held is None else np.where(self._held, -1.0, normalised)
