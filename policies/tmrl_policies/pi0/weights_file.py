"""Stored weights: finding them, opening them, and copying them into a network in little memory.

They are one file, or several that an index joins. The pages of a mapped file count as the process's
memory until the file is closed. So it is opened again after some hundred megabytes, and big tensors
are copied by rows: beside the network there is never more than that.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tmrl_common.json_object import is_json_object
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.pi0.mistaken_files import mistaken_content, mistaken_weights

FILE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
"""Of weights in several files: says in which one a tensor is."""
_INDEX_SUFFIX = ".index.json"
_JAX_MARKS = ("params", "_METADATA", "_CHECKPOINT_METADATA", "checkpoint")
_PIECE_ELEMENTS = 1 << 23
_OPEN_ELEMENTS = 1 << 25
_CHUNK_BYTES = 1 << 24

Report = Callable[[float], None]
"""Takes the share that is done, in [0, 1], as it grows."""


def unreported(_: float) -> None:
    """Where nobody looks."""


def has_weights(folder: Path) -> bool:
    """Whether `find_weights` would find some in a folder."""
    return any((folder / name).is_file() for name in (FILE_NAME, INDEX_NAME))


def find_weights(path: Path) -> Path:
    """The weights at a path: a file, or the index of several.

    Raises:
        CheckpointError: There are none; of what stands there instead the text names the remedy.
    """
    if path.is_file():
        if mistaken := mistaken_weights([path]):
            raise CheckpointError(f"{path} {mistaken[1]}")
        return path
    if not path.is_dir():
        raise CheckpointError(f"there are no pi0 weights at {path}; give the folder of {FILE_NAME}")
    for name in (FILE_NAME, INDEX_NAME):
        if (path / name).is_file():
            return path / name
    raise CheckpointError(_nothing_in(path))


def _nothing_in(folder: Path) -> str:
    """Why a folder holds no weights, by what it holds instead."""
    file = folder / FILE_NAME
    if file.is_symlink():
        return f"{file} is a link to nothing; copy the file itself (cp -L), or download it again"
    if any((folder / mark).exists() for mark in _JAX_MARKS):
        return (
            f"{folder} is a JAX (orbax) checkpoint. Convert it once with openpi's "
            "examples/convert_jax_model_to_pytorch.py --checkpoint_dir PATH --config_name NAME "
            f"--output_path OUT, and give OUT, which then holds {FILE_NAME}"
        )
    sentence = f"there are no pi0 weights at {file}"
    files = sorted(each for each in folder.iterdir() if each.is_file())
    if mistaken := mistaken_weights(files):
        return f"{sentence}: {mistaken[0]} {mistaken[1]}"
    named = [each.name for each in files if each.suffix == ".safetensors"]
    if named:
        return (
            f"{sentence}, but {', '.join(named)}; rename the one that holds the whole network to "
            f"{FILE_NAME}"
        )
    below = [*folder.glob("*/" + FILE_NAME), *folder.glob("*/*/" + FILE_NAME)]
    if below:
        return f"{sentence}, but in a folder below it: give {sorted(below)[-1].parent}"
    return f"{sentence}; give the folder of {FILE_NAME}"


class StoredTensors:
    """Tensors of weights that are open; each file is opened when something of it is read.

    Attributes:
        names: Of all tensors.
    """

    def __init__(self, places: Mapping[str, Path] | None, path: Path, stack: ExitStack) -> None:
        """Prepares to read.

        Args:
            places: Tensor -> its file; None where all are in `path`.
            path: The weights.
            stack: Closes what is opened.

        Raises:
            CheckpointError: The one file is not whole.
        """
        self._stack = stack
        self._files: dict[Path, safe_open] = {}
        if places is None:
            places = dict.fromkeys(self._opened(path).keys(), path)
        self._places = places
        self.names = list(places)

    def shape(self, name: str) -> list[int]:
        """Of a tensor."""
        return list(self._file(name).get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """Type of a tensor's numbers as safetensors calls it, such as "F32" or "I8"."""
        return str(self._file(name).get_slice(name).get_dtype())

    def rows(self, name: str, rows: slice) -> Tensor:
        """Some rows of a tensor."""
        return self._file(name).get_slice(name)[rows]

    def _file(self, name: str) -> safe_open:
        file = self._opened(self._places[name])
        if name not in file.keys():  # noqa: SIM118 - not a mapping
            raise CheckpointError(
                f"the index places tensor '{name}' in {self._places[name]}, which does not hold "
                "it; copy the index and every part again, from one checkpoint"
            )
        return file

    def _opened(self, path: Path) -> safe_open:
        if path not in self._files:
            try:
                self._files[path] = self._stack.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise CheckpointError(_unreadable(path, error)) from error
        return self._files[path]


def _unreadable(file: Path, error: Exception) -> str:
    if what := mistaken_content(file):
        return f"{file} {what}"
    if isinstance(error, OSError):
        return f"cannot read {file}: {error.strerror or error}"
    return f"{file} is not a whole safetensors file: {error}. Copy or download it again"


@contextmanager
def open_weights(path: Path) -> Generator[StoredTensors]:
    """Opens weights without reading their tensors.

    Args:
        path: From `find_weights`.

    Raises:
        CheckpointError: A file is absent or no whole safetensors file.
    """
    with ExitStack() as stack:
        places = _index(path) if path.name.endswith(_INDEX_SUFFIX) else None
        yield StoredTensors(places, path, stack)


def _index(path: Path) -> dict[str, Path]:
    """Tensor -> its file.

    Raises:
        CheckpointError: It is no index, or a file that it names is absent.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        what = mistaken_content(path) or f"cannot be read: {error}; copy it again"
        raise CheckpointError(f"{path} {what}") from error
    places = content.get("weight_map") if is_json_object(content) else None
    if not is_json_object(places) or not places:
        raise CheckpointError(f"{path} has no 'weight_map'; copy it again")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        if Path(name).name != name:
            raise CheckpointError(f"{path} names '{name}'; its parts must lie in its own folder")
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        raise CheckpointError(
            f"{path.parent} lacks {', '.join(absent)}, {len(absent)} of the {len(names)} parts "
            "that the index names; copy or download the rest"
        )
    return {tensor: path.parent / str(name) for tensor, name in places.items()}


class _Piece(NamedTuple):
    """Rows of a tensor."""

    theirs: str
    rows: slice
    target: Tensor


def copy_weights(
    file: Path, names: Mapping[str, str], targets: Mapping[str, Tensor], report: Report
) -> None:
    """Copies stored tensors into those of a network, converting their type.

    Args:
        file: From `find_weights`; holds tensors of the targets' shapes.
        names: Target -> stored name.
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
                values = stored.rows(piece.theirs, piece.rows)
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


def weights_sha256(path: Path, report: Report) -> str:
    """SHA-256 of weights, hexadecimal; of several files, in the order of their names."""
    several = path.name.endswith(_INDEX_SUFFIX)
    files: Sequence[Path] = sorted(set(_index(path).values())) if several else [path]
    digest = hashlib.sha256()
    size, done = sum(file.stat().st_size for file in files), 0
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_CHUNK_BYTES):
                digest.update(block)
                done += len(block)
                report(done / size)
    return digest.hexdigest()
