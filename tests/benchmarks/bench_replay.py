"""Drawing from the replay buffer against fancy indexing into new arrays.

One draw is what one update round at the sizes of the robot presets needs: 20 minibatches of 256
rows from 10,000 transitions with an observation of 775 numbers, an action of 32 and a context noise
of 2048. Both sides draw the same rows in turns, so that a busy machine slows both alike; every
tenth pair of draws is compared number by number. The reference is the usual buffer: one array per
column, indexed with an array of random rows. Its arrays are freed where a training loop frees them,
when the next draw takes their place.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tmrl_common.types import FloatArray
from tmrl_learner.config import ReplayConfig
from tmrl_learner.replay.buffer import ReplayBuffer
from tmrl_learner.testing import make_transition

_CAPACITY = 10_000
_FEATURES, _Z, _EPSILON = 775, 32, 2048
_BATCHES, _BATCH_SIZE = 20, 256
_CHUNKS = 20
_CHECK_EVERY = 10

Columns = dict[str, FloatArray]


class FancyIndexing:
    """The usual buffer."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.drawn: Columns = {}

    def sample(self, rng: np.random.Generator) -> None:
        """Draws all minibatches of a round into new arrays."""
        rows = rng.integers(_CAPACITY, size=_BATCHES * _BATCH_SIZE)
        self.drawn = {name: column[rows] for name, column in self._columns.items()}


def _fill(seed: int) -> tuple[ReplayBuffer, FancyIndexing]:
    """Both buffers with the same transitions."""
    rng = np.random.default_rng(seed)
    config = ReplayConfig(capacity=_CAPACITY, success_share=0.0)
    buffer = ReplayBuffer(config, _FEATURES, _Z, _EPSILON)
    for i in range(_CAPACITY):
        transition = make_transition(
            i + 1,
            1 + i // _CHUNKS,
            i % _CHUNKS,
            features=rng.random(_FEATURES, np.float32),
            z=rng.random(_Z, np.float32),
            sigma=rng.random(),
            epsilon=rng.random(_EPSILON, np.float32),
            reward=-rng.random(),
            next_features=rng.random(_FEATURES, np.float32),
        )
        buffer.insert(transition)
    columns, _ = buffer.state()
    names = ("features", "z", "sigma", "epsilon", "reward", "next_features", "terminated")
    return buffer, FancyIndexing({name: columns[name] for name in names})


def _check_equal(ours: dict[str, Tensor], theirs: Columns, rng: np.random.Generator) -> None:
    """Compares two draws of which ours is sorted by row within each minibatch."""
    rows = rng.integers(_CAPACITY, size=(_BATCHES, _BATCH_SIZE))
    order = (np.argsort(rows, axis=1) + np.arange(0, rows.size, _BATCH_SIZE)[:, None]).ravel()
    for name, column in ours.items():
        if not np.array_equal(column.numpy(), theirs[name][order]):
            raise AssertionError(f"the two buffers drew different rows of {name}")


def _timed_ms(draw: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    draw()
    return 1e3 * (time.perf_counter() - start_s)


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; the ratios say how many times faster ours is, at the median and at the tail."""
    parser = argparse.ArgumentParser(prog="./tmrl bench replay")
    parser.add_argument("--rounds", type=int, default=500, help="draws of each (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of contents and draws (default: 0)")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    buffer, reference = _fill(options.seed)
    ours_ms: list[float] = []
    fancy_ms: list[float] = []
    for seed in range(options.rounds):
        our_rng, their_rng = np.random.default_rng(seed), np.random.default_rng(seed)
        ours_ms.append(_timed_ms(partial(buffer.sample, our_rng, _BATCHES, _BATCH_SIZE)))
        fancy_ms.append(_timed_ms(partial(reference.sample, their_rng)))
        if seed % _CHECK_EVERY == 0:
            again = buffer.sample(np.random.default_rng(seed), _BATCHES, _BATCH_SIZE)
            _check_equal(again, reference.drawn, np.random.default_rng(seed))
    figures = {
        f"{name}_p{percent}_ms": float(np.percentile(values, percent))
        for name, values in (("ours", ours_ms), ("fancy", fancy_ms))
        for percent in (50, 99)
    }
    return {
        "ratios": {
            f"replay_p{percent}": figures[f"fancy_p{percent}_ms"] / figures[f"ours_p{percent}_ms"]
            for percent in (50, 99)
        },
        "figures": {**figures, "rounds": options.rounds, "rows_per_draw": _BATCHES * _BATCH_SIZE},
    }
