"""Messages to frames and back, driven by the field types of `tmrl_common.messages`.

A field that is an array becomes a frame named by its path ("observation/proprio"); a map of images
one frame per camera ("observation/images/<camera>"); everything else goes into the header's body.
On the way in every field has to be there, nothing else may be, and types are checked exactly.
Fields that came later (`messages.ADDED_LATER`) are left out where they hold their default.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Sequence
from enum import Enum, StrEnum, auto
from typing import Any, NamedTuple, cast

import numpy as np

from tmrl_common.errors import DecodeError, EncodeError, ErrorCode
from tmrl_common.framing import DEFAULT_LIMITS, Array, Envelope, Frame, WireLimits, pack, unpack
from tmrl_common.messages import ADDED_LATER, KINDS, Message

_KIND_NAMES = {message_type: kind for kind, message_type in KINDS.items()}


def encode(request_id: int, message: Message) -> list[Frame]:
    """Turn a message into frames that share memory with its arrays.

    Args:
        request_id: Pairs an answer with its request; from 0.
        message: Arrays float32 or uint8 as declared.

    Raises:
        EncodeError: A value is not of its field's type.
    """
    arrays: dict[str, Array] = {}
    body = _to_body(message, "", arrays)
    return pack(Envelope(_KIND_NAMES[type(message)], request_id, body, arrays))


def decode(frames: Sequence[Frame], limits: WireLimits = DEFAULT_LIMITS) -> tuple[int, Message]:
    """Turn received frames into request id and message; arrays are read-only views on the frames.

    Raises:
        DecodeError: The frames are not a message of this version, or exceed the limits.
    """
    envelope = unpack(frames, limits)
    message_type = KINDS.get(envelope.kind)
    try:
        if message_type is None:
            known = ", ".join(KINDS)
            detail = f"kind '{envelope.kind[:32]}' is unknown; known are {known}"
            raise DecodeError(ErrorCode.UNKNOWN_KIND, detail)
        message = _from_body(message_type, envelope.body, "", envelope.arrays)
        if envelope.arrays:
            detail = f"array '{next(iter(envelope.arrays))}' does not belong to '{envelope.kind}'"
            raise DecodeError(ErrorCode.MALFORMED, detail)
    except DecodeError as error:
        raise DecodeError(error.code, error.detail, envelope.request_id) from error
    return envelope.request_id, message


class _Form(Enum):
    """How a field travels."""

    SCALAR = auto()
    NAMES = auto()
    ARRAY = auto()
    IMAGES = auto()
    NESTED = auto()


class _Field(NamedTuple):
    """A field of a message.

    Attributes:
        name: Of the dataclass's field.
        form: How it travels.
        type: Python type of a scalar or nested value, numpy scalar type of an array.
        optional: Whether it may be None.
        default: What a scalar that was added later means where it is left out; None for all others.
    """

    name: str
    form: _Form
    type: type[Any]
    optional: bool
    default: bool | int | float | str | None = None


@functools.cache
def _fields(message_type: type) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(message_type)
    return tuple(
        _classify(field.name, hints[field.name])._replace(
            default=field.default if field.metadata == ADDED_LATER else None
        )
        for field in dataclasses.fields(message_type)
    )


def _classify(name: str, hint: Any) -> _Field:
    optional = isinstance(hint, types.UnionType)
    if optional:
        options: tuple[Any, ...] = typing.get_args(hint)
        hint = next(option for option in options if option is not types.NoneType)
    if hint in (bool, int, float, str) or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return _Field(name, _Form.SCALAR, hint, optional)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _Field(name, _Form.NESTED, hint, optional)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is np.ndarray:
        return _Field(name, _Form.ARRAY, typing.get_args(arguments[1])[0], optional)
    if hint == tuple[str, ...]:
        return _Field(name, _Form.NAMES, str, optional)
    if origin is dict:
        image = _classify(name, arguments[1])
        return _Field(name, _Form.IMAGES, image.type, optional)
    raise TypeError(f"field '{name}' of type {hint} has no form on the wire")


def _to_body(value: Any, path: str, arrays: dict[str, Array]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for field in _fields(cast(type[Any], type(value))):
        where = path + field.name
        if field.optional and getattr(value, field.name) is None:
            body[field.name] = None
            continue
        item = getattr(value, field.name)
        if field.form is _Form.NESTED:
            body[field.name] = _to_body(item, where + "/", arrays)
        elif field.form is _Form.ARRAY:
            arrays[where] = _checked_array(where, item, field.type)
        elif field.form is _Form.IMAGES:
            for key, image in item.items():
                arrays[f"{where}/{key}"] = _checked_array(f"{where}/{key}", image, field.type)
        elif field.form is _Form.NAMES:
            body[field.name] = list(item)
        elif field.default is None or item != field.default:
            body[field.name] = _plain_scalar(where, item, field.type)
    return body


def _checked_array(where: str, value: Any, wanted: type) -> Array:
    if not isinstance(value, np.ndarray):
        found = type(value).__name__
    else:
        array = cast(Array, value)
        if array.dtype == wanted:
            return array
        found = str(array.dtype)
    raise EncodeError(f"'{where}' is {found}; it has to be an array of {wanted.__name__}")


def _plain_scalar(where: str, value: Any, wanted: type) -> bool | int | float | str:
    if issubclass(wanted, StrEnum):
        return str(wanted(value))
    plain: Any = cast("np.generic[Any]", value).item() if isinstance(value, np.generic) else value
    if wanted is float and type(plain) is int:
        return float(plain)
    if type(plain) is not wanted:
        raise EncodeError(f"'{where}' is {value!r}; it has to be of type {wanted.__name__}")
    return plain


def _from_body(
    message_type: type,
    body: object,
    path: str,
    arrays: dict[str, Array],
) -> Any:
    """Build a value; takes the arrays that it uses out of `arrays`."""
    if not isinstance(body, dict):
        raise DecodeError(ErrorCode.MALFORMED, f"'{path.rstrip('/')}' is not a map")
    remaining = dict(cast(dict[Any, Any], body))
    values = {
        field.name: _read_field(field, remaining, path, arrays) for field in _fields(message_type)
    }
    if remaining:
        unknown = str(next(iter(remaining)))[:32]
        raise DecodeError(ErrorCode.MALFORMED, f"field '{path}{unknown}' is unknown")
    try:
        return message_type(**values)
    except ValueError as error:
        raise DecodeError(ErrorCode.MALFORMED, str(error)) from error


def _read_field(
    field: _Field, remaining: dict[Any, Any], path: str, arrays: dict[str, Array]
) -> Any:
    where = path + field.name
    if field.form is _Form.ARRAY:
        return _take_array(where, field.type, arrays)
    if field.form is _Form.IMAGES:
        paths = [path for path in arrays if path.startswith(where + "/")]
        return {p[len(where) + 1 :]: _take_array(p, field.type, arrays) for p in paths}
    if field.name not in remaining:
        if field.default is not None:
            return field.default
        raise DecodeError(ErrorCode.MALFORMED, f"field '{where}' is missing")
    value = remaining.pop(field.name)
    if value is None and field.optional:
        return None
    if field.form is _Form.NESTED:
        return _from_body(field.type, value, where + "/", arrays)
    if field.form is _Form.NAMES:
        names = cast(list[object], value) if isinstance(value, list) else [None]
        if not all(isinstance(name, str) for name in names):
            raise DecodeError(ErrorCode.MALFORMED, f"field '{where}' is not a list of names")
        return tuple(names)
    return _read_scalar(where, value, field.type)


def _take_array(where: str, wanted: type, arrays: dict[str, Array]) -> Array:
    if where not in arrays:
        raise DecodeError(ErrorCode.MALFORMED, f"array '{where}' is missing")
    array = arrays.pop(where)
    if array.dtype != wanted:
        detail = f"array '{where}' is {array.dtype}; it has to be {wanted.__name__}"
        raise DecodeError(ErrorCode.MALFORMED, detail)
    return array


def _read_scalar(where: str, value: Any, wanted: type) -> bool | int | float | str:
    if issubclass(wanted, StrEnum) and isinstance(value, str):
        try:
            return wanted(value)
        except ValueError as error:
            detail = f"'{where}' is '{value[:32]}'; known are {', '.join(wanted)}"
            raise DecodeError(ErrorCode.MALFORMED, detail) from error
    if type(value) is not wanted:
        raise DecodeError(ErrorCode.MALFORMED, f"'{where}' is not of type {wanted.__name__}")
    return value
