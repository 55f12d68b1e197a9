from collections.abc import Iterator
from typing import Any

from numpy import int64
from numpy.typing import NDArray

class StratifiedGroupKFold:
    def __init__(self, n_splits: int) -> None: ...
    def split(
        self, X: NDArray[Any], y: NDArray[Any], groups: NDArray[Any]
    ) -> Iterator[tuple[NDArray[int64], NDArray[int64]]]: ...
