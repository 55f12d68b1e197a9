"""Whether a robot state lies where the policy was trained, or so far off that its unit is wrong."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tmrl_policies.units import odd_unit

_log = logging.getLogger(__name__)

FAR_DEVIATIONS = 50.0
"""No arm in its right units comes here; degrees for radians and mm for m nearly always do."""
_SMALLEST_DEVIATION = 1e-3
"""A column that hardly varied in the data is not far for the noise of a sensor; of its size."""


class StateWatch:
    """Finds columns of the robot state that are far from the training data. Use from one thread.

    Each column is said once in the log, and in every answer.
    """

    def __init__(
        self, columns: Sequence[str], mean: NDArray[np.floating], std: NDArray[np.floating]
    ) -> None:
        """Takes where the policy was trained.

        Args:
            columns: Names of the state's columns.
            mean: Of each column, shape (D,), raw units.
            std: Standard deviations, alike.
        """
        self._columns = tuple(columns)
        self._mean = mean.astype(np.float64)
        self._deviation = np.maximum(std, _SMALLEST_DEVIATION * (1.0 + np.abs(self._mean)))
        self._said: set[str] = set()

    def deviations(self, state: NDArray[np.floating]) -> NDArray[np.float64]:
        """How many standard deviations each column lies away, shape (D,)."""
        return np.abs(state - self._mean) / self._deviation

    def far_columns(self, state: NDArray[np.floating]) -> tuple[str, ...]:
        """Names of the columns that are far away; the log gets those that are new.

        Args:
            state: Raw units, shape (D,), finite.
        """
        deviations = self.deviations(state)
        far = np.flatnonzero(deviations > FAR_DEVIATIONS).tolist()
        for place in far:
            if self._columns[place] not in self._said:
                self._said.add(self._columns[place])
                self._warn(place, float(state[place]), float(deviations[place]))
        return tuple(self._columns[place] for place in far)

    def _warn(self, place: int, value: float, deviations: float) -> None:
        column = self._columns[place]
        hint = (
            odd_unit(column, value) or "look at its unit, and at whether this is the policy's arm"
        )
        _log.warning(
            "%s of the robot state is %.4g, %.0f standard deviations from the training data "
            "(mean %.4g): %s. A chunk made from it means nothing",
            column,
            value,
            deviations,
            self._mean[place],
            hint,
        )
