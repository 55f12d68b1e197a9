"""Messages to frames and back, driven by the field types of `tmrl_common.messages`.

A field that is an array travels as one, named by its path ("observation/proprio"); a map of images
as one per camera ("observation/images/<camera>"); everything else goes into the header's body.
On the way in every field must be there, nothing else may be, and types are checked exactly.
Fields that came later (`messages.ADDED_LATER`) are left out where they hold their default; an array
is then an empty one.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Sequence
from enum import Enum, StrEnum, auto
from typing import Any, NamedTuple, cast

import numpy as np

from tmrl_common.errors import DecodeError, EncodeError, ErrorCode
from tmrl_common.framing import DEFAULT_LIMITS, Array, Envelope, Frame, WireLimits, pack, unpack
from tmrl_common.messages import ADDED_LATER, KINDS, Message

_KIND_NAMES = {message_type: kind for kind, message_type in KINDS.items()}


def encode(request_id: int, message: Message) -> list[Frame]:
    """Turns a message into frames that share memory with its large arrays.

    Args:
        request_id: Pairs an answer with its request; from 0.
        message: Arrays float32 or uint8 as declared.

    Raises:
        EncodeError: A value is not of its field's type.
    """
    arrays: _Arrays = {}
    body = _to_body(message, "", arrays)
    return pack(Envelope(_KIND_NAMES[type(message)], request_id, body, arrays))


def decode(frames: Sequence[Frame], limits: WireLimits = DEFAULT_LIMITS) -> tuple[int, Message]:
    """Turns received frames into request id and message; arrays are read-only views on the frames.

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
    LATER_ARRAY = auto()
    """One that was added later: it travels only where it is not empty."""
    IMAGES = auto()
    NESTED = auto()


class _Field(NamedTuple):
    """A field of a message, at one place in it.

    Attributes:
        name: Of the dataclass's field.
        where: Its path in the message.
        form: How it travels.
        type: Python type of a scalar or nested value, numpy scalar type of an array.
        optional: Whether it may be None.
        default: What a scalar that was added later means where it is left out; None for all others.
        later: Whether it was added later, and is left out where it holds its default.
    """

    name: str
    where: str
    form: _Form
    type: type[Any]
    optional: bool
    default: bool | int | float | str | None
    later: bool


@functools.cache
def _fields(message_type: type, path: str = "") -> tuple[_Field, ...]:
    """The fields of a message, or of a value in it whose path ends with a slash."""
    hints = typing.get_type_hints(message_type)
    found: list[_Field] = []
    for each in dataclasses.fields(message_type):
        field = _classify(each.name, path, hints[each.name])
        later = each.metadata == ADDED_LATER
        if later and field.form is _Form.ARRAY:
            field = field._replace(form=_Form.LATER_ARRAY)
        elif later:
            field = field._replace(default=each.default)
        found.append(field._replace(later=later))
    return tuple(found)


def _classify(name: str, path: str, hint: Any) -> _Field:
    optional = isinstance(hint, types.UnionType)
    if optional:
        options: tuple[Any, ...] = typing.get_args(hint)
        hint = next(option for option in options if option is not types.NoneType)

    def field(form: _Form, of: type[Any]) -> _Field:
        return _Field(name, path + name, form, of, optional, None, later=False)

    if hint in (bool, int, float, str) or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return field(_Form.SCALAR, hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return field(_Form.NESTED, hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is np.ndarray:
        return field(_Form.ARRAY, typing.get_args(arguments[1])[0])
    if hint == tuple[str, ...]:
        return field(_Form.NAMES, str)
    if origin is dict:
        return field(_Form.IMAGES, _classify(name, path, arguments[1]).type)
    raise TypeError(f"field '{name}' of type {hint} has no form on the wire")


_Arrays = dict[str, Array]
_Read = Callable[[_Field, Any, _Arrays], Any]


class _Plan(NamedTuple):
    """How to write and read a value, sorted by form so that both are a few short loops.

    Attributes:
        plain: Names of the fields that travel in the body.
        scalars: Name, path and type of those that arrive as they are.
        arrays: Name, path and numpy scalar type of those that are arrays.
        others: Each other one, and what reads it unless it is an optional None.
    """

    plain: frozenset[str]
    scalars: tuple[tuple[str, str, type], ...]
    arrays: tuple[tuple[str, str, type], ...]
    others: tuple[tuple[_Field, _Read], ...]


@functools.cache
def _plan(message_type: type, path: str) -> _Plan:
    plain: list[str] = []
    scalars: list[tuple[str, str, type]] = []
    arrays: list[tuple[str, str, type]] = []
    others: list[tuple[_Field, _Read]] = []
    for field in _fields(message_type, path):
        if field.form not in (_Form.ARRAY, _Form.LATER_ARRAY, _Form.IMAGES):
            plain.append(field.name)
        entry = field.name, field.where, field.type
        special = field.optional or field.default is not None or issubclass(field.type, StrEnum)
        if field.form is _Form.SCALAR and not special:
            scalars.append(entry)
        elif field.form is _Form.ARRAY:
            arrays.append(entry)
        else:
            others.append((field, _READERS[field.form]))
    return _Plan(frozenset(plain), tuple(scalars), tuple(arrays), tuple(others))


def _to_body(value: Any, path: str, arrays: _Arrays) -> dict[str, Any]:
    plan = _plan(cast(type[Any], type(value)), path)
    body: dict[str, Any] = {}
    for name, where, wanted in plan.scalars:
        item = getattr(value, name)
        body[name] = item if type(item) is wanted else _plain_scalar(where, item, wanted)
    for name, where, wanted in plan.arrays:
        arrays[where] = _checked_array(where, getattr(value, name), wanted)
    for field, _ in plan.others:
        _write(field, getattr(value, field.name), body, arrays)
    return body


def _write(field: _Field, item: Any, body: dict[str, Any], arrays: _Arrays) -> None:
    name, where, form, wanted, optional, default, later = field
    if form is _Form.IMAGES:
        for key, image in item.items():
            arrays[f"{where}/{key}"] = _checked_array(f"{where}/{key}", image, wanted)
    elif form is _Form.LATER_ARRAY:
        if item.size:
            arrays[where] = _checked_array(where, item, wanted)
    elif optional and item is None:
        if not later:
            body[name] = None
    elif form is _Form.NESTED:
        body[name] = _to_body(item, where + "/", arrays)
    elif form is _Form.NAMES:
        body[name] = list(item)
    elif default is None or item != default:
        body[name] = item if type(item) is wanted else _plain_scalar(where, item, wanted)


def _checked_array(where: str, value: Any, wanted: type) -> Array:
    if not isinstance(value, np.ndarray):
        found = type(value).__name__
    else:
        array = cast(Array, value)
        if array.dtype.type is wanted:
            return array
        found = str(array.dtype)
    raise EncodeError(f"'{where}' is {found}; it must be an array of {wanted.__name__}")


def _plain_scalar(where: str, value: Any, wanted: type) -> bool | int | float | str:
    if issubclass(wanted, StrEnum):
        return str(wanted(value))
    plain: Any = cast("np.generic[Any]", value).item() if isinstance(value, np.generic) else value
    if wanted is float and type(plain) is int:
        return float(plain)
    if type(plain) is not wanted:
        raise EncodeError(f"'{where}' is {value!r}; it must be of type {wanted.__name__}")
    return plain


def _from_body(message_type: type, body: object, path: str, arrays: _Arrays) -> Any:
    """Builds a value; takes the arrays that it uses out of `arrays`, and `body` for its own."""
    if type(body) is not dict:
        raise DecodeError(ErrorCode.MALFORMED, f"'{path.rstrip('/')}' is not a map")
    plan = _plan(message_type, path)
    values = cast(dict[Any, Any], body)
    if values.keys() != plan.plain:
        _complete(values, message_type, path)
    for name, where, wanted in plan.scalars:
        if type(values[name]) is not wanted:
            detail = f"'{where}' is not of type {wanted.__name__}"
            raise DecodeError(ErrorCode.MALFORMED, detail)
    for name, where, wanted in plan.arrays:
        values[name] = _take_array(where, wanted, arrays)
    for field, read in plan.others:
        value = values.get(field.name)
        absent = value is None and field.optional
        values[field.name] = None if absent else read(field, value, arrays)
    try:
        return message_type(**values)
    except ValueError as error:
        raise DecodeError(ErrorCode.MALFORMED, str(error)) from error


def _complete(values: dict[Any, Any], message_type: type, path: str) -> None:
    """Fills in what was added later and left out; refuses what is missing or unknown."""
    plain = _plan(message_type, path).plain
    for name in values:
        if name not in plain:
            detail = f"field '{path}{str(name)[:32]}' is unknown"
            raise DecodeError(ErrorCode.MALFORMED, detail)
    for field in _fields(message_type, path):
        if field.name in plain and field.name not in values:
            if field.default is None and not (field.later and field.optional):
                raise DecodeError(ErrorCode.MALFORMED, f"field '{field.where}' is missing")
            values[field.name] = field.default


def _read_images(field: _Field, _value: object, arrays: _Arrays) -> dict[str, Array]:
    start = field.where + "/"
    paths = [path for path in arrays if path.startswith(start)]
    return {path[len(start) :]: _take_array(path, field.type, arrays) for path in paths}


def _read_later_array(field: _Field, _value: object, arrays: _Arrays) -> Array:
    if field.where not in arrays:
        return np.zeros(0, field.type)
    return _take_array(field.where, field.type, arrays)


def _read_nested(field: _Field, value: object, arrays: _Arrays) -> Any:
    return _from_body(field.type, value, field.where + "/", arrays)


def _read_names(field: _Field, value: object, _arrays: _Arrays) -> tuple[str, ...]:
    names = cast(list[object], value) if isinstance(value, list) else [None]
    if not all(isinstance(name, str) for name in names):
        raise DecodeError(ErrorCode.MALFORMED, f"field '{field.where}' is not a list of names")
    return cast(tuple[str, ...], tuple(names))


def _read_scalar(field: _Field, value: object, _arrays: _Arrays) -> bool | int | float | str:
    where, wanted = field.where, field.type
    if issubclass(wanted, StrEnum) and type(value) is str:
        member = _members(wanted).get(value)
        if member is None:
            detail = f"'{where}' is '{value[:32]}'; known are {', '.join(wanted)}"
            raise DecodeError(ErrorCode.MALFORMED, detail)
        return member
    if type(value) is not wanted:
        raise DecodeError(ErrorCode.MALFORMED, f"'{where}' is not of type {wanted.__name__}")
    return cast("bool | int | float | str", value)


_READERS: dict[_Form, _Read] = {
    _Form.IMAGES: _read_images,
    _Form.LATER_ARRAY: _read_later_array,
    _Form.NESTED: _read_nested,
    _Form.NAMES: _read_names,
    _Form.SCALAR: _read_scalar,
}


def _take_array(where: str, wanted: type, arrays: _Arrays) -> Array:
    array = arrays.pop(where, None)
    if array is None:
        raise DecodeError(ErrorCode.MALFORMED, f"array '{where}' is missing")
    if array.dtype.type is not wanted:
        detail = f"array '{where}' is {array.dtype}; it must be {wanted.__name__}"
        raise DecodeError(ErrorCode.MALFORMED, detail)
    return array


@functools.cache
def _members(names: type[StrEnum]) -> dict[str, StrEnum]:
    return {str(member): member for member in names}
