"""Transitions to ROS messages and back, made from the table of a transition's fields."""

from typing import Any

import numpy as np

from tmrl_common.transition_cells import SHAPE_CELLS, hash_of
from tmrl_common.transitions import (
    FIELDS,
    InvalidTransitionError,
    Kind,
    Transition,
    TransitionField,
    check,
)
from tmrl_msgs.msg import Transition as TransitionMsg
from tmrl_ros.conversion import (
    from_float32_field,
    nanoseconds,
    stamp_of_nanoseconds,
    to_float32_field,
    to_uint8_field,
)


def message_fields(each: TransitionField) -> tuple[str, ...]:
    """Returns the names of the message's fields that carry a transition's field."""
    match each.kind:
        case Kind.STAMP:
            return ("header",)
        case Kind.NAMED_STAMPS:
            return ("cameras", each.name.removesuffix("_ns"))
        case Kind.STEP_STAMPS:
            return (each.name.removesuffix("_ns"),)
        case Kind.ROWS:
            return (*SHAPE_CELLS, each.name)
        case _:
            return (each.name,)


def transition_to_msg(transition: Transition) -> TransitionMsg:
    """Returns the message of a transition, with its content hash."""
    message = TransitionMsg(content_hash=hash_of(transition))
    for each in FIELDS:
        _put(message, each, getattr(transition, each.name))
    return message


def transition_from_msg(message: TransitionMsg) -> Transition:
    """Returns the transition of a message.

    Raises:
        InvalidTransitionError: A field cannot be what it claims to be, is out of range or
            contradicts another, or the content hash is not that of the fields.
    """
    name = f"transition {message.sequence} of {message.robot}/{message.session}"
    values: dict[str, Any] = {}
    for each in FIELDS:
        try:
            values[each.name] = _get(message, each)
        except ValueError as error:
            raise InvalidTransitionError(f"{name}: {each.name}: {error}") from error
    transition = Transition(**values)
    check(transition)
    if message.content_hash != hash_of(transition):
        raise InvalidTransitionError(
            f"{name}: content_hash is '{message.content_hash}', its fields give "
            f"'{hash_of(transition)}'; it was changed on its way, or made by other software"
        )
    return transition


def _put(message: TransitionMsg, each: TransitionField, value: Any) -> None:
    *_, name = message_fields(each)
    match each.kind:
        case Kind.NAME:
            setattr(message, name, value.value)
        case Kind.CODE:
            setattr(message, name, int(value))
        case Kind.STAMP:
            message.header.stamp = stamp_of_nanoseconds(value)
        case Kind.NAMED_STAMPS:
            message.cameras = sorted(value)
            setattr(message, name, [stamp_of_nanoseconds(value[n]) for n in sorted(value)])
        case Kind.VECTOR:
            setattr(message, name, to_float32_field(value))
        case Kind.ROWS:
            message.steps, message.action_dim = value.shape
            setattr(message, name, to_float32_field(value))
        case Kind.STEP_CODES:
            setattr(message, name, to_uint8_field(value))
        case Kind.STEP_STAMPS:
            setattr(message, name, [stamp_of_nanoseconds(int(ns)) for ns in value])
        case _:
            setattr(message, name, value)


def _get(message: TransitionMsg, each: TransitionField) -> Any:
    *_, name = message_fields(each)
    match each.kind:
        case Kind.NAME | Kind.CODE:
            return each.python_type(getattr(message, name))
        case Kind.STAMP:
            return nanoseconds(message.header.stamp)
        case Kind.NAMED_STAMPS:
            stamps = map(nanoseconds, getattr(message, name))
            return dict(zip(message.cameras, stamps, strict=True))
        case Kind.VECTOR:
            return from_float32_field(getattr(message, name))
        case Kind.ROWS:
            return from_float32_field(getattr(message, name), message.steps, message.action_dim)
        case Kind.STEP_CODES:
            return np.array(getattr(message, name), dtype=np.uint8)
        case Kind.STEP_STAMPS:
            stamps = [nanoseconds(stamp) for stamp in getattr(message, name)]
            return np.array(stamps, dtype=np.int64)
        case _:
            return getattr(message, name)
