"""ROS parameters from frozen dataclasses: one definition of names, types, defaults and meaning.

A component's configuration is a frozen dataclass whose `__post_init__` validates it and whose
docstring describes each field under `Attributes:`. This module declares the same fields as
read-only ROS parameters, so that YAML files, launch files and `ros2 param` speak of the same thing.
"""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from tmrl_common.config import attribute_texts
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
    """The element type of tuple[T, ...] and fixed tuples of one T."""
    return get_args(hint)[0]


def _parameter_type(hint: Any) -> Parameter.Type:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) is tuple:
        return _ARRAYS[_element_type(hint)]
    raise TypeError(
        f"{hint} cannot be a ROS parameter; use bool, int, float, str or a tuple of one"
    )


def _coerced(name: str, value: Any, hint: Any) -> Any:
    """A parameter's value in the field's type; an integer is accepted where a float is meant."""
    wanted = _element_type(hint) if get_origin(hint) is tuple else hint
    many = get_origin(hint) is tuple
    elements = list(value) if many and not isinstance(value, str) else [value]
    for element in elements:
        integer_as_float = wanted is float and type(element) is int
        if type(element) is not wanted and not integer_as_float:
            raise ParameterError(
                f"parameter {name} is {value!r}; it has to be {'a list of ' if many else ''}"
                f"{wanted.__name__}"
            )
    return tuple(wanted(e) for e in elements) if many else wanted(elements[0])


def _refuse_unknown(given: Iterable[str], known: list[str]) -> None:
    for name in given:
        if name in known or name in _OF_EVERY_NODE or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"valid ones: {', '.join(known)}"
        raise ParameterError(f"unknown parameter {name}; {hint}")


def declare(
    node: Node, config_class: type[C], group: str = "", elsewhere: tuple[str, ...] = ()
) -> C:
    """Declares every field of a configuration as a read-only parameter and builds it.

    Args:
        node: A node created with `automatically_declare_parameters_from_overrides=True`, so that
            unknown names are noticed.
        config_class: A frozen dataclass with fields of bool, int, float, str or tuples of one of
            them. A field without a default has to be given.
        group: The parameters are called `group.field`; empty: only `field`.
        elsewhere: Groups whose parameters are none of this configuration's business.

    Returns:
        The validated configuration.

    Raises:
        ParameterError: A parameter is unknown, missing, of the wrong type, or out of range.
    """
    hints = get_type_hints(config_class)
    fields = {f.name: f for f in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    texts = attribute_texts(config_class)
    given = {
        name: parameter
        for name, parameter in node.get_parameters_by_prefix(group).items()
        if name.partition(".")[0] not in elsewhere
    }
    _refuse_unknown(given, list(fields))
    prefix = f"{group}." if group else ""
    values: dict[str, Any] = {}
    for name, field in fields.items():
        kind = _parameter_type(hints[name])
        if name in given:
            values[name] = _coerced(name, given[name].value, hints[name])
            node.undeclare_parameter(prefix + name)
        elif field.default is not dataclasses.MISSING:
            values[name] = field.default
        else:
            raise ParameterError(
                f"parameter {prefix}{name} is missing ({texts.get(name, 'no description')}); "
                "it has no default: set it in the rig's YAML file"
            )
        value = list(values[name]) if isinstance(values[name], tuple) else values[name]
        descriptor = ParameterDescriptor(
            description=texts.get(name, ""), read_only=True, type=kind.value
        )
        node.declare_parameter(prefix + name, value, descriptor, ignore_override=True)
    try:
        return config_class(**values)
    except ValueError as error:
        raise ParameterError(str(error)) from error
