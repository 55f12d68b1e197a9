"""A file of weights: finding it, opening it, and copying it into a network in little memory.

The pages of a mapped file count as the process's memory until the file is closed. So it is opened
again after some hundred megabytes, and big tensors are copied by rows: beside the network there is
never more than that.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tmrl_policies.checkpoint import CheckpointError

FILE_NAME = "model.safetensors"
_PIECE_ELEMENTS = 1 << 23
_OPEN_ELEMENTS = 1 << 25
_CHUNK_BYTES = 1 << 24

Report = Callable[[float], None]
"""Takes the share that is done, in [0, 1], as it grows."""


def unreported(_: float) -> None:
    """Where nobody looks."""


def find_weights(path: Path) -> Path:
    """The weights file at a path.

    Raises:
        CheckpointError: There is none; for JAX checkpoints the text names the conversion.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if file.is_file():
        return file
    orbax = path / "params"
    if path.is_dir() and (orbax.is_dir() or (path / "_METADATA").exists()):
        raise CheckpointError(
            f"{path} is a JAX (orbax) checkpoint. Convert it once with openpi's "
            "examples/convert_jax_model_to_pytorch.py --checkpoint_dir PATH --config_name NAME "
            f"--output_path OUT, and give OUT, which then holds {FILE_NAME}"
        )
    raise CheckpointError(f"there are no pi0 weights at {file}; give the folder of {FILE_NAME}")


@contextmanager
def open_weights(file: Path) -> Generator[safe_open]:
    """Opens a weights file without reading its tensors.

    Raises:
        CheckpointError: It is no whole safetensors file.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            yield stored
    except SafetensorError as error:
        raise CheckpointError(
            f"{file} is not a whole safetensors file: {error}. Copy or download it again"
        ) from error


class _Piece(NamedTuple):
    """Rows of a tensor."""

    theirs: str
    rows: slice
    target: Tensor


def copy_weights(
    file: Path, names: Mapping[str, str], targets: Mapping[str, Tensor], report: Report
) -> None:
    """Copies tensors of a file into those of a network, converting their type.

    Args:
        file: Holds tensors of the targets' shapes.
        names: Target -> name in the file.
        targets: Where to, on any device and in any floating type.
        report: Called after each piece.

    Raises:
        CheckpointError: A value is not finite; what stands before it has been copied.
    """
    total = sum(targets[ours].numel() for ours in names)
    done = 0
    for group in _groups(_pieces(names, targets)):
        with open_weights(file) as stored:
            for piece in group:
                values = stored.get_slice(piece.theirs)[piece.rows]
                # NaN is passed on by both. Some hundred times faster than asking every value.
                lowest, highest = torch.aminmax(values)
                if not (bool(lowest.isfinite()) and bool(highest.isfinite())):
                    raise CheckpointError(
                        f"{file}: tensor '{piece.theirs}' holds values that are not finite"
                    )
                piece.target.copy_(values)
                done += piece.target.numel()
                report(done / total)
                del values


def _pieces(names: Mapping[str, str], targets: Mapping[str, Tensor]) -> Iterable[_Piece]:
    for ours, theirs in names.items():
        target = targets[ours]
        rows = max(1, _PIECE_ELEMENTS // max(1, target[0].numel()))
        for start in range(0, len(target), rows):
            piece = slice(start, min(start + rows, len(target)))
            yield _Piece(theirs, piece, target[piece])


def _groups(pieces: Iterable[_Piece]) -> Iterable[list[_Piece]]:
    """As many pieces together as the file may stay open for."""
    group: list[_Piece] = []
    elements = 0
    for piece in pieces:
        group.append(piece)
        elements += piece.target.numel()
        if elements >= _OPEN_ELEMENTS:
            yield group
            group, elements = [], 0
    yield group


def sha256(file: Path, report: Report) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    size = file.stat().st_size
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK_BYTES):
            digest.update(block)
            report(stream.tell() / size)
    return digest.hexdigest()
