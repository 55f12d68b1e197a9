"""The outer layer of the wire format: one msgpack header, then one raw frame per large array.

    frame 0   msgpack map {v, id, layout, body, small}
    frame 1.. the bytes of the arrays above `SMALL_BYTES`, in the order of the layout

`layout` is msgpack of its own, [kind, [[name, dtype, shape], ...]]: it is the same in all messages
of a kind between two peers, so that each side reads and checks it once. Bytes of arrays are in C
order, little endian. Arrays up to `SMALL_BYTES` stand in `small` instead of in frames, one after
the other, each padded with zeros to a multiple of 8 bytes: a frame costs more than to copy them.
Large arrays are not copied on the way out; all arrive as read-only views on what was received.
Everything about them is checked against the layout and the limits before a view is made. There is
no pickle and no object dtype: bytes of a stranger can make an error and nothing else.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import msgpack
import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import DecodeError, EncodeError, ErrorCode

PROTOCOL_VERSION = 2

SMALL_BYTES = 4096
"""Largest array that travels inside the header."""

_ALIGNMENT = 8

DTYPES: dict[str, type[np.generic]] = {"<f4": np.float32, "|u1": np.uint8}
"""Every dtype that may travel."""

_NAMES: dict["np.dtype[Any]", str] = {np.dtype(name): name for name in DTYPES}
_BY_NAME: dict[str, "np.dtype[Any]"] = {name: np.dtype(name) for name in DTYPES}

MAX_DIMENSIONS = 3
_MOST_ELEMENTS = 2**31
"""Of an array whose empty sides are counted as 1: numpy refuses to multiply much larger ones."""
MAX_NAME_CHARACTERS = 96

_HEADER_FIELDS = {"v": int, "id": int, "layout": bytes, "body": dict, "small": bytes}
_LAYOUT_BYTES = 8 * 1024
_LAYOUTS_KEPT = 64

Array = NDArray[Any]
Frame = bytes | memoryview


@dataclass(frozen=True)
class WireLimits:
    """What a receiver is willing to read.

    Attributes:
        header_bytes: Largest header, with the small arrays in it.
        message_bytes: Largest sum of all frames.
        arrays: Largest number of arrays.
    """

    header_bytes: int = 256 * 1024
    message_bytes: int = 64 * 1024 * 1024
    arrays: int = 32


DEFAULT_LIMITS = WireLimits()


class Envelope(NamedTuple):
    """A message taken out of its frames, not yet understood.

    Attributes:
        kind: Name of the kind of message.
        request_id: Pairs an answer with its request.
        body: Plain values.
        arrays: Name to read-only array.
    """

    kind: str
    request_id: int
    body: dict[str, Any]
    arrays: dict[str, Array]


def pack(envelope: Envelope) -> list[Frame]:
    """Turns an envelope into frames.

    Frames share memory with large arrays, which must not change until they are sent.

    Raises:
        EncodeError: An array's dtype, name or number of dimensions cannot travel.
    """
    arrays = envelope.arrays
    described = tuple([(name, array.dtype, array.shape) for name, array in arrays.items()])
    small: list[bytes] = []
    frames: list[Frame] = []
    for array in arrays.values():
        size = array.nbytes
        if size > SMALL_BYTES:
            frames.append(np.ascontiguousarray(array).data.cast("B"))
        else:
            small.append(array.tobytes())
            if size % _ALIGNMENT:
                small.append(bytes(-size % _ALIGNMENT))
    header = {
        "v": PROTOCOL_VERSION,
        "id": envelope.request_id,
        "layout": _write_layout(envelope.kind, described),
        "body": envelope.body,
        "small": b"".join(small),
    }
    return [msgpack.packb(header), *frames]


@functools.lru_cache(_LAYOUTS_KEPT)
def _write_layout(
    kind: str, described: tuple[tuple[str, "np.dtype[Any]", tuple[int, ...]], ...]
) -> bytes:
    arrays: list[tuple[str, str, tuple[int, ...]]] = []
    for name, dtype, shape in described:
        known = _NAMES.get(dtype)
        if known is None or not 1 <= len(shape) <= MAX_DIMENSIONS:
            raise EncodeError(
                f"array '{name}' is {dtype} of shape {shape}; 1 to {MAX_DIMENSIONS} "
                f"dimensions of {' or '.join(str(np.dtype(d)) for d in DTYPES)} can travel"
            )
        if len(name) > MAX_NAME_CHARACTERS:
            raise EncodeError(f"array name '{name}' is longer than {MAX_NAME_CHARACTERS}")
        arrays.append((name, known, shape))
    return msgpack.packb((kind, arrays))


def unpack(frames: Sequence[Frame], limits: WireLimits = DEFAULT_LIMITS) -> Envelope:
    """Turns received frames into an envelope.

    Raises:
        DecodeError: The frames are not a message of this version, or exceed the limits.
    """
    if not frames:
        raise DecodeError(ErrorCode.MALFORMED, "there is no header frame")
    _check_sizes(frames, limits)
    header = _read_header(frames[0], limits)
    request_id = header["id"]
    try:
        layout = _read_layout(header["layout"])
        arrays = _view_arrays(layout, header["small"], frames, limits)
    except DecodeError as error:
        raise DecodeError(error.code, error.detail, request_id) from error
    return Envelope(layout.kind, request_id, header["body"], arrays)


def _check_sizes(frames: Sequence[Frame], limits: WireLimits) -> None:
    sizes = [_size_of(frame) for frame in frames]
    for name, size, limit in (
        ("the header has", sizes[0], limits.header_bytes),
        ("the message has", sum(sizes), limits.message_bytes),
    ):
        if size > limit:
            detail = f"{name} {size} bytes; the limit is {limit}"
            raise DecodeError(ErrorCode.TOO_LARGE, detail)


def _read_header(frame: Frame, limits: WireLimits) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(frame, max_bin_len=limits.header_bytes, max_ext_len=0)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise DecodeError(ErrorCode.MALFORMED, f"the header is not msgpack: {error}") from error
    if not isinstance(header, dict):
        raise DecodeError(ErrorCode.MALFORMED, "the header is not a map")
    header = cast(dict[str, Any], header)
    request_id = header.get("id")
    if type(request_id) is not int or request_id < 0:
        raise DecodeError(ErrorCode.MALFORMED, "the header has no id, a whole number from 0")
    _check_header_fields(header, request_id)
    return header


def _check_header_fields(header: Mapping[str, Any], request_id: int) -> None:
    version = header.get("v")
    if type(version) is not int:
        raise DecodeError(ErrorCode.MALFORMED, "the header has no version number v", request_id)
    if version != PROTOCOL_VERSION:
        raise DecodeError(
            ErrorCode.UNSUPPORTED_VERSION,
            f"the peer speaks protocol version {version}, this side {PROTOCOL_VERSION}; "
            "install the same release on both machines",
            request_id,
        )
    if header.keys() != _HEADER_FIELDS.keys():
        names = sorted(map(str, header))
        detail = f"the header has the fields {names}, not {sorted(_HEADER_FIELDS)}"
        raise DecodeError(ErrorCode.MALFORMED, detail, request_id)
    for name, wanted in _HEADER_FIELDS.items():
        if type(header[name]) is not wanted:
            detail = f"header field '{name}' is not of type {wanted.__name__}"
            raise DecodeError(ErrorCode.MALFORMED, detail, request_id)


class _Slot(NamedTuple):
    """Where the bytes of an array are.

    Attributes:
        name: Of the array.
        dtype: Of its elements.
        shape: Of the array.
        size: Number of its bytes.
        frame: Index of its frame; 0 for the small ones.
        offset: Where it begins among the small ones.
    """

    name: str
    dtype: "np.dtype[Any]"
    shape: tuple[int, ...]
    size: int
    frame: int
    offset: int


class _Layout(NamedTuple):
    """What a message consists of, checked.

    Attributes:
        kind: Of the message.
        slots: Its arrays.
        small_bytes: Of all small arrays.
        frames: Number of frames with the header's.
    """

    kind: str
    slots: tuple[_Slot, ...]
    small_bytes: int
    frames: int


@functools.lru_cache(_LAYOUTS_KEPT)
def _read_layout(packed: bytes) -> _Layout:
    if len(packed) > _LAYOUT_BYTES:
        detail = f"the layout has {len(packed)} bytes; the limit is {_LAYOUT_BYTES}"
        raise DecodeError(ErrorCode.TOO_LARGE, detail)
    try:
        content = msgpack.unpackb(packed, max_bin_len=0, max_ext_len=0)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise DecodeError(ErrorCode.MALFORMED, f"the layout is not msgpack: {error}") from error
    parts = cast(list[Any], content) if type(content) is list else []
    if len(parts) != 2 or type(parts[0]) is not str or type(parts[1]) is not list:
        raise DecodeError(ErrorCode.MALFORMED, "the layout is not [kind, arrays]")
    kind, described = cast(tuple[str, list[object]], tuple(parts))
    slots: dict[str, _Slot] = {}
    frame, offset = 1, 0
    for description in described:
        name, dtype, shape = _read_description(description)
        if name in slots:
            raise DecodeError(ErrorCode.MALFORMED, f"array '{name}' comes twice")
        size = math.prod(shape) * dtype.itemsize
        if size > SMALL_BYTES:
            slots[name] = _Slot(name, dtype, shape, size, frame, 0)
            frame += 1
        else:
            slots[name] = _Slot(name, dtype, shape, size, 0, offset)
            offset += size + -size % _ALIGNMENT
    return _Layout(kind, tuple(slots.values()), offset, frame)


def _view_arrays(
    layout: _Layout, small: bytes, frames: Sequence[Frame], limits: WireLimits
) -> dict[str, Array]:
    if len(layout.slots) > limits.arrays:
        detail = f"the message has {len(layout.slots)} arrays; the limit is {limits.arrays}"
        raise DecodeError(ErrorCode.TOO_LARGE, detail)
    if len(frames) != layout.frames or len(small) != layout.small_bytes:
        detail = (
            f"the arrays need {layout.frames - 1} frames and {layout.small_bytes} bytes in the "
            f"header, {len(frames) - 1} and {len(small)} came"
        )
        raise DecodeError(ErrorCode.MALFORMED, detail)
    arrays: dict[str, Array] = {}
    for name, dtype, shape, size, frame, offset in layout.slots:
        buffer = frames[frame] if frame else small
        if frame and _size_of(buffer) != size:
            detail = f"array '{name}' of shape {shape} needs {size} bytes, {_size_of(buffer)} came"
            raise DecodeError(ErrorCode.MALFORMED, detail)
        try:
            arrays[name] = array = np.ndarray(shape, dtype, buffer, offset)
        except ValueError as error:
            detail = f"array '{name}' of shape {shape} cannot be made: {error}"
            raise DecodeError(ErrorCode.MALFORMED, detail) from error
        array.setflags(write=False)
    return arrays


def _size_of(frame: Frame) -> int:
    return frame.nbytes if isinstance(frame, memoryview) else len(frame)


def _read_description(description: object) -> tuple[str, "np.dtype[Any]", tuple[int, ...]]:
    parts = cast(list[Any], description) if type(description) is list else []
    if len(parts) == 3:
        name, dtype, shape = parts
        known = _BY_NAME.get(dtype) if type(dtype) is str else None
        if known is not None and type(name) is str and 0 < len(name) <= MAX_NAME_CHARACTERS:
            return name, known, _checked_shape(name, shape)
    raise DecodeError(ErrorCode.MALFORMED, _bad_description(parts))


def _checked_shape(name: str, shape: object) -> tuple[int, ...]:
    sizes = cast(list[Any], shape) if type(shape) is list else []
    if not 1 <= len(sizes) <= MAX_DIMENSIONS:
        raise DecodeError(
            ErrorCode.MALFORMED, f"array '{name}' does not have 1 to {MAX_DIMENSIONS} dimensions"
        )
    whole = all(type(size) is int and size >= 0 for size in sizes)
    # An empty side makes the product 0, whatever the others are: they are judged without it.
    if not whole or math.prod(max(size, 1) for size in sizes) > _MOST_ELEMENTS:
        raise DecodeError(ErrorCode.MALFORMED, f"array '{name}' has an impossible shape")
    return tuple(sizes)


def _bad_description(parts: list[Any]) -> str:
    """What is wrong with a description, one sentence."""
    if len(parts) != 3:
        return "an array is not described as [name, dtype, shape]"
    name = parts[0]
    if type(name) is not str or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        return "an array has no usable name"
    return f"array '{name}' has a dtype that may not travel"
