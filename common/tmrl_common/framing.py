"""The outer layer of the wire format: one msgpack header, then one raw frame per array.

    frame 0   msgpack map {v, kind, id, body, arrays: [[name, dtype, shape], ...]}
    frame 1.. the arrays' bytes, C order, little endian, in the order of `arrays`

Arrays are not copied on the way out and arrive as read-only views on the received frames.
Everything about them is checked against the header and the limits before a view is made. There is
no pickle and no object dtype: bytes of a stranger can make an error and nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import msgpack
import numpy as np
from numpy.typing import NDArray

from tmrl_common.errors import DecodeError, EncodeError, ErrorCode

PROTOCOL_VERSION = 1

DTYPES: dict[str, type[np.generic]] = {"<f4": np.float32, "|u1": np.uint8}
"""Every dtype that may travel."""

_NAMES: dict["np.dtype[Any]", str] = {np.dtype(name): name for name in DTYPES}
_BY_NAME: dict[str, "np.dtype[Any]"] = {name: np.dtype(name) for name in DTYPES}

MAX_DIMENSIONS = 3
MAX_NAME_CHARACTERS = 96

_HEADER_FIELDS = {"v": int, "id": int, "kind": str, "body": dict, "arrays": list}

Array = NDArray[Any]
Frame = bytes | memoryview


@dataclass(frozen=True)
class WireLimits:
    """What a receiver is willing to read.

    Attributes:
        header_bytes: Largest header.
        message_bytes: Largest sum of all frames.
        arrays: Largest number of arrays.
    """

    header_bytes: int = 64 * 1024
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
    """Turn an envelope into frames.

    The frames share memory with the arrays, which must not change until they are sent.

    Raises:
        EncodeError: An array's dtype, name or number of dimensions cannot travel.
    """
    described: list[tuple[str, str, tuple[int, ...]]] = []
    frames: list[Frame] = []
    for name, array in envelope.arrays.items():
        dtype = _NAMES.get(array.dtype)
        if dtype is None or not 1 <= array.ndim <= MAX_DIMENSIONS:
            raise EncodeError(
                f"array '{name}' is {array.dtype} of shape {array.shape}; 1 to {MAX_DIMENSIONS} "
                f"dimensions of {' or '.join(str(np.dtype(d)) for d in DTYPES)} can travel"
            )
        if len(name) > MAX_NAME_CHARACTERS:
            raise EncodeError(f"array name '{name}' is longer than {MAX_NAME_CHARACTERS}")
        described.append((name, dtype, array.shape))
        # An empty array has no memory to view.
        frames.append(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    header = {
        "v": PROTOCOL_VERSION,
        "kind": envelope.kind,
        "id": envelope.request_id,
        "body": envelope.body,
        "arrays": described,
    }
    return [msgpack.packb(header), *frames]


def unpack(frames: Sequence[Frame], limits: WireLimits = DEFAULT_LIMITS) -> Envelope:
    """Turn received frames into an envelope.

    Raises:
        DecodeError: The frames are not a message of this version, or exceed the limits.
    """
    if not frames:
        raise DecodeError(ErrorCode.MALFORMED, "there is no header frame")
    _check_sizes(frames, limits)
    header = _read_header(frames[0])
    request_id = header["id"]
    try:
        arrays = _read_arrays(header["arrays"], frames[1:], limits)
    except DecodeError as error:
        raise DecodeError(error.code, error.detail, request_id) from error
    return Envelope(header["kind"], request_id, header["body"], arrays)


def _check_sizes(frames: Sequence[Frame], limits: WireLimits) -> None:
    header_bytes, *sizes = [
        frame.nbytes if isinstance(frame, memoryview) else len(frame) for frame in frames
    ]
    for name, size, limit in (
        ("the header has", header_bytes, limits.header_bytes),
        ("the message has", header_bytes + sum(sizes), limits.message_bytes),
    ):
        if size > limit:
            detail = f"{name} {size} bytes; the limit is {limit}"
            raise DecodeError(ErrorCode.TOO_LARGE, detail)
    if len(sizes) > limits.arrays:
        detail = f"the message has {len(sizes)} arrays; the limit is {limits.arrays}"
        raise DecodeError(ErrorCode.TOO_LARGE, detail)


def _read_header(frame: Frame) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(frame, max_bin_len=0, max_ext_len=0)
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


def _read_arrays(
    described: list[object], frames: Sequence[Frame], limits: WireLimits
) -> dict[str, Array]:
    if len(described) != len(frames):
        detail = f"the header describes {len(described)} arrays, {len(frames)} frames came"
        raise DecodeError(ErrorCode.MALFORMED, detail)
    arrays: dict[str, Array] = {}
    for description, frame in zip(described, frames, strict=True):
        name, dtype, shape = _read_description(description, limits)
        if name in arrays:
            raise DecodeError(ErrorCode.MALFORMED, f"array '{name}' comes twice")
        size = frame.nbytes if isinstance(frame, memoryview) else len(frame)
        needed = math.prod(shape) * dtype.itemsize
        if size != needed:
            raise DecodeError(
                ErrorCode.MALFORMED,
                f"array '{name}' of shape {shape} needs {needed} bytes, {size} came",
            )
        array = np.ndarray(shape, dtype, frame) if needed else np.empty(shape, dtype)
        array.setflags(write=False)
        arrays[name] = array
    return arrays


def _read_description(
    description: object, limits: WireLimits
) -> tuple[str, "np.dtype[Any]", tuple[int, ...]]:
    parts = cast(list[Any], description) if type(description) is list else []
    if len(parts) == 3:
        name, dtype, shape = parts
        known = _BY_NAME.get(dtype) if type(dtype) is str else None
        if known is not None and type(name) is str and 0 < len(name) <= MAX_NAME_CHARACTERS:
            return name, known, _checked_shape(name, shape, limits)
    raise DecodeError(ErrorCode.MALFORMED, _bad_description(parts))


def _checked_shape(name: str, shape: object, limits: WireLimits) -> tuple[int, ...]:
    sizes = cast(list[Any], shape) if type(shape) is list else []
    if not 1 <= len(sizes) <= MAX_DIMENSIONS:
        raise DecodeError(
            ErrorCode.MALFORMED, f"array '{name}' does not have 1 to {MAX_DIMENSIONS} dimensions"
        )
    for size in sizes:
        if type(size) is not int or not 0 <= size <= limits.message_bytes:
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
