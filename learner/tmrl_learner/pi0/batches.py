"""Which rows make up which batch: a new order in every pass, the same after a resume."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler


class BatchOrder:
    """Batches as a function of the step's number.

    Every pass over the data has an order of its own, which follows from the seed. Batches run on
    over the end of a pass, so that no row is left out.

    Args:
        rows: Number of rows of the data set.
        batch_size: Rows per batch, over all processes.
        seed: Of the orders.
    """

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._seed = seed
        self._orders: dict[int, Tensor] = {}

    def batch(self, step: int) -> list[int]:
        """Rows of the batch of a step."""
        first = step * self._batch_size
        return [self._row(position) for position in range(first, first + self._batch_size)]

    def _row(self, position: int) -> int:
        number, offset = divmod(position, self._rows)
        return int(self._order(number)[offset])

    def _order(self, number: int) -> Tensor:
        if number not in self._orders:
            # Reading runs ahead of training, so the pass before is still asked for.
            self._orders = {each: self._orders[each] for each in self._orders if each == number - 1}
            generator = torch.Generator().manual_seed((self._seed << 32) + number)
            self._orders[number] = torch.randperm(self._rows, generator=generator)
        return self._orders[number]


class PartSampler(Sampler[list[int]]):
    """The parts of batches that one process computes, from a step on.

    A batch is cut into `accumulation` pieces, which follow each other, and each piece into one
    part per process.

    Args:
        order: Of all rows.
        first_step: Where to begin.
        steps: Where to end.
        parts: Number of parts of a batch, accumulation * processes.
        mine: Which of them, in the order in which they are computed.
    """

    def __init__(
        self, order: BatchOrder, first_step: int, steps: int, parts: int, mine: Sequence[int]
    ) -> None:
        self._order = order
        self._steps = range(first_step, steps)
        self._parts = parts
        self._mine = mine

    def __len__(self) -> int:
        return len(self._steps) * len(self._mine)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            batch = self._order.batch(step)
            for part in self._mine:
                yield batch[part_slice(len(batch), self._parts, part)]


def part_slice(size: int, parts: int, part: int) -> slice:
    """Which elements of a batch of `size`, a multiple of `parts`, a part has."""
    length = size // parts
    return slice(part * length, (part + 1) * length)
