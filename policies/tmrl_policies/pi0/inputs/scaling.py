"""Raw units to numbers around zero, and back."""

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray
from tmrl_policies.pi0.inputs.rigs import Scale
from tmrl_policies.pi0.inputs.statistics import Statistics

_EPSILON = 1e-6
"""Added to every divisor, as in openpi; the weights were trained with it."""


class Scaling:
    """A fixed affine map of the last dimension; nothing is clipped in either direction."""

    def __init__(self, statistics: Statistics, scale: Scale) -> None:
        """Prepares the map.

        Args:
            statistics: Of the columns.
            scale: Which of the two conventions.

        Raises:
            ValueError: Quantiles are asked for and the statistics have none.
        """
        if scale is Scale.QUANTILE:
            if statistics.q01 is None or statistics.q99 is None:
                raise ValueError(
                    "the statistics have no q01 and q99, which scale 'quantile' needs; compute "
                    "them again, or use scale 'mean_std' if the weights were trained with it"
                )
            # (x - q01) / (q99 - q01) * 2 - 1, as x = middle + unit * normalised
            self._unit = (statistics.q99 - statistics.q01 + _EPSILON) / 2.0
            self._zero = statistics.q01 + self._unit
        else:
            self._unit = statistics.std + _EPSILON
            self._zero = statistics.mean

    def normalise(self, raw: NDArray[np.floating]) -> FloatArray:
        """Values of unit size, shape (..., D), float32, for raw ones of that shape."""
        return ((raw.astype(np.float64) - self._zero) / self._unit).astype(np.float32)

    def restore(self, normalised: NDArray[np.floating]) -> FloatArray:
        """Raw values, shape (..., D), float32, for normalised ones of that shape."""
        return (normalised.astype(np.float64) * self._unit + self._zero).astype(np.float32)
