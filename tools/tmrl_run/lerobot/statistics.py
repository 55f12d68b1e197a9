"""Minimum, maximum, mean and deviation of columns, of each episode and of all together."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistics = dict[str, list[Any]]
"""`min`, `max`, `mean`, `std` and `count`, each as nested lists."""


def of_rows(rows: NDArray[Any]) -> Statistics:
    """Statistics of numbers over their first axis, shape (N, D)."""
    values = rows.astype(np.float64)
    return {
        "min": values.min(axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
        "count": [len(values)],
    }


def of_pictures(pictures: Iterable[NDArray[np.uint8]]) -> Statistics:
    """Statistics of the colours of some pictures of shape (height, width, 3), from 0 to 1."""
    pixels = np.concatenate([each[::4, ::4].reshape(-1, 3) for each in pictures]) / 255.0
    found = of_rows(pixels)
    count = found.pop("count")
    return {**{k: [[[v]] for v in values] for k, values in found.items()}, "count": count}


def joined(parts: Iterable[Statistics]) -> Statistics:
    """Statistics of all rows from those of their parts."""
    arrays = [{key: np.array(value, np.float64) for key, value in part.items()} for part in parts]
    counts = np.array([part["count"][0] for part in arrays])
    weights = counts / counts.sum()
    means = np.stack([part["mean"] for part in arrays])
    mean = np.tensordot(weights, means, 1)
    squares = np.stack([part["std"] ** 2 + part["mean"] ** 2 for part in arrays])
    variance = np.maximum(np.tensordot(weights, squares, 1) - mean**2, 0.0)
    return {
        "min": np.min([part["min"] for part in arrays], axis=0).tolist(),
        "max": np.max([part["max"] for part in arrays], axis=0).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
        "count": [int(counts.sum())],
    }
