"""Parameters that may change while a node runs: those whose fields are marked `Live`."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, get_type_hints

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from tmrl_common.config import as_field
from tmrl_common.constraints import live_fields
from tmrl_common.errors import ConfigError

C = TypeVar("C")
_Number = float | tuple[float, ...]


class LiveParameters(Generic[C]):
    """Judges every change as at the start, and hands the whole new configuration to the node.

    A value marked `lower_only` is compared with the one that holds now: once lowered, it stays
    lowered until the node starts again.
    """

    def __init__(self, node: Node, config: C, apply: Callable[[C], None], group: str = "") -> None:
        """Listens for changes.

        Args:
            node: Its parameters were declared by `tmrl_ros.parameters.declare`.
            config: What was declared.
            apply: Called on the executor's thread with the new configuration, after the
                parameters have been set. It must not fail: what is impossible is refused by
                the configuration's own `__post_init__`.
            group: That of `declare`.
        """
        self._config = config
        self._apply = apply
        self._prefix = f"{group}." if group else ""
        self._live = live_fields(type(config))
        self._hints = get_type_hints(type(config))
        node.add_on_set_parameters_callback(self._judge)
        node.add_post_set_parameters_callback(self._adopt)

    def _judge(self, parameters: Sequence[Parameter[Any]]) -> SetParametersResult:
        try:
            self._changed(parameters)
        except (ConfigError, ValueError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _adopt(self, parameters: Sequence[Parameter[Any]]) -> None:
        changed = self._changed(parameters)
        if changed != self._config:
            self._config = changed
            self._apply(changed)

    def _changed(self, parameters: Sequence[Parameter[Any]]) -> C:
        """Returns the configuration with these changes.

        Raises:
            ConfigError: A value may not be raised.
            ValueError: The configuration's own refusal.
        """
        values: dict[str, Any] = {}
        for parameter in parameters:
            name = parameter.name.removeprefix(self._prefix)
            if name not in self._live or parameter.name != self._prefix + name:
                continue
            values[name] = as_field(name, parameter.value, self._hints[name])
            if self._live[name].lower_only:
                _refuse_raised(name, values[name], getattr(self._config, name))
        return dataclasses.replace(self._config, **values)  # type: ignore[type-var]


def _refuse_raised(name: str, new: _Number, now: _Number) -> None:
    if any(n > o for n, o in zip(_elements(new), _elements(now), strict=True)):
        raise ConfigError(
            f"{name} is to become {new}; while the node runs it can only be lowered, and it is "
            f"{now} now: restart the node with the rig's value"
        )


def _elements(value: _Number) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
