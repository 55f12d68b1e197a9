"""ROS parameters from frozen dataclasses: one definition of names, types, defaults and meaning.

A component's configuration is a frozen dataclass whose `__post_init__` validates it and whose
docstring describes each field under `Attributes:`; ranges and choices stand in its types
(tmrl_common.constraints). This module declares the same fields as ROS parameters, so that YAML
files, launch files and `ros2 param` speak of the same thing. Parameters are read-only, except those
marked `Live` (tmrl_ros.live).
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from tmrl_common.config import attribute_texts
from tmrl_common.constraints import (
    Constraint,
    Range,
    constraints_of,
    live_fields,
    read_fields,
)
from tmrl_common.errors import ConfigError

C = TypeVar("C")

_SCALARS = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}
_ARRAYS = {
    bool: Parameter.Type.BOOL_ARRAY,
    int: Parameter.Type.INTEGER_ARRAY,
    float: Parameter.Type.DOUBLE_ARRAY,
    str: Parameter.Type.STRING_ARRAY,
}
_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")


class ParameterError(ConfigError):
    """A node was given parameters that it cannot run with; the text names value and remedy."""


def _element_type(hint: Any) -> Any:
    """Returns the element type of tuple[T, ...] and fixed tuples of one T."""
    return get_args(hint)[0]


def _parameter_type(hint: Any) -> Parameter.Type:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) is tuple:
        return _ARRAYS[_element_type(hint)]
    raise TypeError(
        f"{hint} cannot be a ROS parameter; use bool, int, float, str or a tuple of one"
    )


def _refuse_unknown(given: Iterable[str], known: list[str]) -> None:
    for name in given:
        if name in known or name in _OF_EVERY_NODE or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"valid ones: {', '.join(known)}"
        raise ParameterError(f"unknown parameter {name}; {hint}")


def descriptors(config_class: type) -> dict[str, ParameterDescriptor]:
    """Returns what ROS is to know of each field: type, meaning, range, whether it may change.

    A range with two ends becomes a ROS range (arrays have none in ROS); every constraint stands in
    `additional_constraints` as text.
    """
    hints = get_type_hints(config_class)
    texts, live = attribute_texts(config_class), live_fields(config_class)
    made: dict[str, ParameterDescriptor] = {}
    for name, constraints in constraints_of(config_class).items():
        kind = _parameter_type(hints[name])
        words = [constraint.text for constraint in constraints]
        if name in live and live[name].lower_only:
            words.append("while the node runs it can only be lowered")
        descriptor = ParameterDescriptor(
            description=texts.get(name, ""),
            additional_constraints="; ".join(words),
            read_only=name not in live,
            type=kind.value,
        )
        _add_ranges(descriptor, kind, constraints)
        made[name] = descriptor
    return made


def _add_ranges(
    descriptor: ParameterDescriptor, kind: Parameter.Type, constraints: Iterable[Constraint]
) -> None:
    for limits in constraints:
        if not (isinstance(limits, Range) and isfinite(limits.low) and isfinite(limits.high)):
            continue
        if kind is Parameter.Type.DOUBLE:
            ends = FloatingPointRange(from_value=float(limits.low), to_value=float(limits.high))
            descriptor.floating_point_range = [ends]
        elif kind is Parameter.Type.INTEGER:
            low, high = int(limits.low) + int(limits.above), int(limits.high) - int(limits.below)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]


def declare(
    node: Node, config_class: type[C], group: str = "", elsewhere: tuple[str, ...] = ()
) -> C:
    """Declares every field of a configuration as a parameter, and builds it.

    Args:
        node: A node created with `automatically_declare_parameters_from_overrides=True`, so that
            unknown names are noticed.
        config_class: A frozen dataclass with fields of bool, int, float, str or tuples of one of
            them. A field without a default must be given.
        group: The parameters are called `group.field`; empty: only `field`.
        elsewhere: Groups whose parameters are none of this configuration's business.

    Returns:
        The validated configuration.

    Raises:
        ParameterError: A parameter is unknown, missing, of the wrong type, or out of range.
    """
    given = {
        name: parameter.value
        for name, parameter in node.get_parameters_by_prefix(group).items()
        if name.partition(".")[0] not in elsewhere
    }
    _refuse_unknown(given, [field.name for field in dataclasses.fields(config_class)])  # type: ignore[arg-type]
    prefix = f"{group}." if group else ""
    values = _values(config_class, given, prefix)
    try:
        config = config_class(**values)
    except ValueError as error:
        raise ParameterError(str(error)) from error
    for name, descriptor in descriptors(config_class).items():
        if name in given:
            node.undeclare_parameter(prefix + name)
        value = list(values[name]) if isinstance(values[name], tuple) else values[name]
        node.declare_parameter(prefix + name, value, descriptor, ignore_override=True)
    return config


def _values(config_class: type, given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Returns the value of every field: what was given, or its default."""
    texts = attribute_texts(config_class)
    names = [field.name for field in dataclasses.fields(config_class)]
    own = {name: given[name] for name in names if name in given}
    values, problems = read_fields(config_class, own, prefix)
    if problems:
        raise ParameterError("\n".join(problems))
    for field in dataclasses.fields(config_class):
        if field.name in given:
            continue
        if field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        else:
            raise ParameterError(
                f"parameter {prefix}{field.name} is missing "
                f"({texts.get(field.name, 'no description')}); "
                "it has no default: set it in the rig's YAML file"
            )
    return values
