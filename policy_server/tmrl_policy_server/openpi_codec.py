"""The encoding of openpi's websocket clients: msgpack with arrays as tagged maps.

    array    {b"__ndarray__": True, b"data": bytes, b"dtype": "<f4", b"shape": [2, 3]}
    scalar   {b"__npgeneric__": True, b"data": value, b"dtype": "<f4"}

Written here rather than taken from openpi-client, which trusts its peer: what strangers send is
checked before an array is made from it.
"""

import math
from collections.abc import Mapping
from typing import Any, cast

import msgpack
import numpy as np

from tmrl_common.errors import DecodeError, ErrorCode

MAX_BYTES = 64 * 1024 * 1024
"""Largest message that is read."""

_NOT_OURS = (
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    msgpack.exceptions.UnpackException,
)
_KINDS = "biuf"
_MAX_DIMENSIONS = 8
_MAX_ENTRIES = 1024


def pack_openpi(message: Mapping[str, Any]) -> bytes:
    """Encodes a message whose values are plain, arrays, or maps of such."""
    return msgpack.packb(_tagged(message))


def unpack_openpi(content: bytes) -> dict[str, Any]:
    """Decode a message; its arrays are read-only views on `content`.

    Raises:
        DecodeError: It is not a map in this encoding.
    """
    try:
        message = msgpack.unpackb(
            content,
            object_pairs_hook=_untagged,
            max_array_len=_MAX_ENTRIES,
            max_map_len=_MAX_ENTRIES,
            max_ext_len=0,
        )
    except DecodeError:
        raise
    except _NOT_OURS as error:
        detail = f"the message is not msgpack as openpi-client writes it: {error}"
        raise DecodeError(ErrorCode.MALFORMED, detail) from error
    if not isinstance(message, dict):
        detail = f"the message is {type(message).__name__}; an observation is a map"
        raise DecodeError(ErrorCode.MALFORMED, detail)
    names = cast(dict[Any, Any], message)
    for name in names:
        if not isinstance(name, str):
            raise DecodeError(ErrorCode.MALFORMED, f"the message has a key {name!r}, not a name")
    return names


def _tagged(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        return {
            b"__ndarray__": True,
            b"data": array.tobytes(),
            b"dtype": array.dtype.str,
            b"shape": array.shape,
        }
    if isinstance(value, Mapping):
        return {name: _tagged(item) for name, item in cast(Mapping[Any, Any], value).items()}
    return value


def _untagged(pairs: list[tuple[Any, Any]]) -> Any:
    entries = dict(pairs)
    if b"__ndarray__" in entries:
        return _array(entries)
    if b"__npgeneric__" in entries:
        with np.errstate(over="ignore"):  # Too large becomes infinite, which is refused later on.
            return _dtype(entries).type(entries.get(b"data"))
    return entries


def _array(entries: dict[Any, Any]) -> "np.ndarray[Any, np.dtype[Any]]":
    dtype, data, shape = _dtype(entries), entries.get(b"data"), entries.get(b"shape")
    sizes = cast(list[object], shape) if isinstance(shape, list) else [None]
    checked = [size for size in sizes if type(size) is int and 0 <= size <= MAX_BYTES]
    if len(checked) != len(sizes) or len(sizes) > _MAX_DIMENSIONS:
        raise DecodeError(ErrorCode.MALFORMED, f"an array has the impossible shape {shape}")
    needed = math.prod(checked) * dtype.itemsize
    if not isinstance(data, bytes) or len(data) != needed:
        found = len(data) if isinstance(data, bytes) else "no"
        detail = f"an array of shape {tuple(checked)} needs {needed} bytes, {found} came"
        raise DecodeError(ErrorCode.MALFORMED, detail)
    return np.frombuffer(data, dtype=dtype).reshape(checked)


def _dtype(entries: dict[Any, Any]) -> "np.dtype[Any]":
    name = entries.get(b"dtype")
    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except (TypeError, ValueError, SyntaxError) as error:
        raise DecodeError(ErrorCode.MALFORMED, f"an array has the dtype {name!r}") from error
    if dtype is None or dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise DecodeError(ErrorCode.MALFORMED, f"an array has the dtype {name!r}; numbers travel")
    return dtype
