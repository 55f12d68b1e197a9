"""Transitions as bytes, for the way from a journal to a learner on another machine."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgpack
import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import LocalError
from tmrl_common.transition_cells import (
    DamagedCellsError,
    content_hash,
    from_hashed_cells,
    to_cells,
)
from tmrl_common.transitions import Transition

MOST_BYTES = 1_000_000
"""Of one parcel: small enough to pass between two chunks on a slow line. One row may be larger."""


class ParcelError(LocalError):
    """Bytes are no parcel, or a row in it is not what was packed."""


def pack(transitions: Iterable[Transition], most_bytes: int = MOST_BYTES) -> NDArray[np.uint8]:
    """Packs as many transitions as fit, the first one in any case.

    Args:
        transitions: In their order.
        most_bytes: Of the parcel.

    Returns:
        Shape (n,).
    """
    rows, size = list[bytes](), 0
    for transition in transitions:
        cells = to_cells(transition)
        row: bytes = msgpack.packb((transition.sequence, content_hash(cells), cells))
        if rows and size + len(row) > most_bytes:
            break
        rows.append(row)
        size += len(row)
    return np.frombuffer(msgpack.packb(rows), np.uint8)


def unpack(parcel: NDArray[np.uint8]) -> Iterator[tuple[int, Transition | None, str]]:
    """Unpacks a parcel.

    Yields:
        Sequence number, the transition, None where it cannot be used, and why not.

    Raises:
        ParcelError: The bytes are no parcel.
    """
    try:
        for row in msgpack.unpackb(parcel.tobytes()):
            sequence, digest, cells = cast("tuple[Any, Any, Any]", msgpack.unpackb(row))
            yield int(sequence), *_transition(cells, digest)
    except (ValueError, TypeError) as error:
        raise ParcelError(f"no parcel of transitions: {type(error).__name__} {error}") from error


def _transition(cells: Mapping[str, Any], digest: str) -> tuple[Transition | None, str]:
    try:
        return from_hashed_cells(cells, digest), ""
    except DamagedCellsError as error:
        return None, str(error)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return None, f"{type(error).__name__} {error}"
