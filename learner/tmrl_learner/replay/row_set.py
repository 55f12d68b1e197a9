"""A set of row numbers from which a uniform draw costs one array look-up."""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class RowSet:
    """Row numbers kept densely in one array.

    Removal moves the last member into the hole, so the order depends on history; a checkpoint
    stores the order, because a resumed run must draw the same rows.
    """

    def __init__(self, capacity: int) -> None:
        self._members: IntArray = np.zeros(capacity, np.int64)
        self._place: IntArray = np.full(capacity, -1, np.int64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, row: int) -> bool:
        return bool(self._place[row] >= 0)

    @property
    def members(self) -> IntArray:
        """(n,) view of the members in their present order."""
        return self._members[: self._count]

    def set(self, row: int, *, present: bool) -> None:
        """Makes `row` a member, or makes it none."""
        if present and row not in self:
            self._members[self._count] = row
            self._place[row] = self._count
            self._count += 1
        elif not present and row in self:
            self._count -= 1
            hole, last = self._place[row], self._members[self._count]
            self._members[hole] = last
            self._place[last] = hole
            self._place[row] = -1

    def load(self, members: IntArray) -> None:
        """Replaces the whole set by `members`, keeping their order."""
        self._place.fill(-1)
        self._count = len(members)
        self._members[: self._count] = members
        self._place[members] = np.arange(self._count)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> IntArray:
        """Draws row numbers of `shape` uniformly with replacement."""
        return self._members[rng.integers(self._count, size=shape)]
