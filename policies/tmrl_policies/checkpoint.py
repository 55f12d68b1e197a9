"""Crash-safe checkpoints: tensors as safetensors, everything else as JSON beside them.

``<stem>.json`` is the record: it names the format, the kind, the SHA-256 of
``<stem>.safetensors`` and its own, taken over all its bytes with zeros in the place of that hash.
So every bit of both files is covered, and one file's replacement still decides which checkpoint
counts. Records of format version 1 have no hash of their own; they are read all the same. Saving
goes

1. ``<stem>.safetensors.next`` written, synced;
2. ``<stem>.json`` replaced: from here on the new checkpoint counts;
3. ``<stem>.safetensors.next`` renamed to ``<stem>.safetensors``.

A process killed between 2 and 3 leaves the tensors under their ``.next`` name; loading accepts
them there and the next save finishes the rename first. At any moment the newest checkpoint
whose step 2 happened can be loaded whole.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as decode_tensors
from safetensors.torch import save as encode_tensors
from torch import Tensor, nn

from tmrl_common.errors import TmrlError
from tmrl_common.json_object import is_json_object

FORMAT_VERSION = 2
_WITHOUT_OWN_HASH = 1
_REQUIRED = {"format_version", "kind", "sha256", "metadata"}
_OWN_HASH = "record_sha256"
_ZEROS = "0" * 64
_REMEDY = "Restore both files from a copy, or move them away and start without them"


class CheckpointError(TmrlError):
    """A checkpoint cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: Name to tensor, on the CPU.
        metadata: JSON-able values that the writer added.
        sha256: Content hash of the tensors file, hexadecimal.
        verified: Whether the metadata were covered by a hash, as they are since format version 2.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]
    sha256: str
    verified: bool = True


def save_checkpoint(
    stem: Path, kind: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> str:
    """Writes ``<stem>.safetensors`` and ``<stem>.json``; either both are new or both are old.

    Args:
        stem: Path without suffix; its folder is created.
        kind: What it is a checkpoint of; loading asks for the same.
        tensors: Name to tensor. Tensors may not share memory.
        metadata: JSON-able values, finite numbers only.

    Returns:
        SHA-256 of the tensors file, hexadecimal.

    Raises:
        OSError: The disk refused; an older checkpoint under the same stem is still whole.
        ValueError: The metadata are not JSON-able, or tensors share memory.
    """
    files = _Files(stem)
    content = encode_tensors({name: t.detach().cpu().contiguous() for name, t in tensors.items()})
    sha256 = hashlib.sha256(content).hexdigest()
    record = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "sha256": sha256,
        _OWN_HASH: _ZEROS,
        "metadata": dict(metadata),
    }
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    text = _with_own_hash(text, hashlib.sha256(text.encode()).hexdigest())
    stem.parent.mkdir(parents=True, exist_ok=True)
    _finish_interrupted_save(files)
    _write_atomically(files.next_tensors, content)
    _write_atomically(files.record, text.encode())
    files.next_tensors.replace(files.tensors)
    _sync_folder(stem.parent)
    return sha256


def load_checkpoint(stem: Path, kind: str) -> Checkpoint:
    """Reads and verifies a checkpoint.

    Args:
        stem: Path without suffix, as given to :func:`save_checkpoint`.
        kind: What it must be a checkpoint of.

    Raises:
        CheckpointError: A file is absent or damaged, or version, kind or hash do not match.
    """
    files = _Files(stem)
    record = _read_record(files.record)
    if record["kind"] != kind:
        raise CheckpointError(
            f"{files.record} is a checkpoint of '{record['kind']}', not of '{kind}'"
        )
    content = _read_tensors(files, record["sha256"])
    try:
        tensors = decode_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{files.tensors} is not a safetensors file: {error}") from error
    return Checkpoint(tensors, record["metadata"], record["sha256"], _OWN_HASH in record)


def load_tensors_into(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors into a module's parameters and persistent buffers.

    Raises:
        CheckpointError: A tensor is missing, unexpected, of another shape or not finite; the
            module is unchanged then.
    """
    expected = module.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    unexpected = sorted(tensors.keys() - expected.keys())
    if missing or unexpected:
        raise CheckpointError(
            f"the tensors do not fit {type(module).__name__}: "
            f"missing {missing or 'none'}, unexpected {unexpected or 'none'}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"tensor '{name}' has shape {tuple(tensor.shape)}; "
                f"{type(module).__name__} needs {tuple(expected[name].shape)}"
            )
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"tensor '{name}' holds values that are not finite")
    module.load_state_dict(dict(tensors))


class _Files:
    """The three paths of a checkpoint."""

    def __init__(self, stem: Path) -> None:
        self.record = stem.with_name(stem.name + ".json")
        self.tensors = stem.with_name(stem.name + ".safetensors")
        self.next_tensors = stem.with_name(stem.name + ".safetensors.next")


def _read_record(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8")
        record = json.loads(text)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {path}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}. {_REMEDY}") from error
    if not is_json_object(record) or record.keys() - {_OWN_HASH} != _REQUIRED:
        names = ", ".join(sorted(_REQUIRED))
        raise CheckpointError(f"{path} is no checkpoint record, which holds {names}. {_REMEDY}")
    expected = FORMAT_VERSION if _OWN_HASH in record else _WITHOUT_OWN_HASH
    if record["format_version"] != expected:
        raise CheckpointError(
            f"{path} has format version {record['format_version']}; this software reads "
            f"versions {_WITHOUT_OWN_HASH} and {FORMAT_VERSION}. Use the software that wrote it, "
            "or make it again"
        )
    if _OWN_HASH in record:
        _check_own_hash(path, text, str(record[_OWN_HASH]))
    return record


def _check_own_hash(path: Path, text: str, own_hash: str) -> None:
    bare = text.replace(_own_entry(own_hash), _own_entry(_ZEROS), 1)
    if hashlib.sha256(bare.encode()).hexdigest() != own_hash:
        raise CheckpointError(
            f"{path} does not have the SHA-256 that it names: the file is damaged or was edited. "
            f"{_REMEDY}"
        )


def _with_own_hash(text: str, own_hash: str) -> str:
    """The record's text with its hash in the place that was kept for it."""
    return text.replace(_own_entry(_ZEROS), _own_entry(own_hash), 1)


def _own_entry(own_hash: str) -> str:
    return f'"{_OWN_HASH}": "{own_hash}"'


def _read_tensors(files: _Files, sha256: str) -> bytes:
    candidates = [path for path in (files.tensors, files.next_tensors) if path.exists()]
    if not candidates:
        raise CheckpointError(
            f"{files.tensors} is missing although {files.record} is there. {_REMEDY}"
        )
    for path in candidates:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    raise CheckpointError(
        f"{files.tensors} does not have the SHA-256 that {files.record} names: the file is "
        f"damaged or belongs to another checkpoint. {_REMEDY}"
    )


def _finish_interrupted_save(files: _Files) -> None:
    """Renames tensors whose record is in place already; see the module's docstring."""
    if not (files.next_tensors.exists() and files.record.exists()):
        return
    content = files.next_tensors.read_bytes()
    if hashlib.sha256(content).hexdigest() == _read_record(files.record)["sha256"]:
        files.next_tensors.replace(files.tensors)
        _sync_folder(files.tensors.parent)


def _write_atomically(path: Path, content: bytes) -> None:
    """Replaces ``path`` so that a crash at any moment leaves the old file or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
