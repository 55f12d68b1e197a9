"""The algorithms that learn to steer, by name: ours, and Python entry points of the group GROUP.

A package offers one by a line of its metadata, `name = "module:CLASS"`. Names are read from the
metadata alone: launcher and demo know them without importing what learns.
"""

from typing import Any

from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_common.plugins import cause_of, installed, package_of, packages_of

GROUP = "tmrl.algorithms"
BUILT_IN = ("tmrl", "dsrl", "dsrl_na", "fixed-sigma")
"""Ours that learn also over ROS."""

NO_LEARNING = "base"
_RESERVED = (*BUILT_IN, NO_LEARNING)
_TUTORIAL = "docs/tutorials/new_algorithm.md"


class AlgorithmError(ConfigError):
    """An algorithm is not installed, is installed twice, or cannot be imported."""


class InstalledAlgorithm:
    """Constraint: the name of an algorithm, or of none ("base")."""

    @property
    def text(self) -> str:
        """What is valid."""
        return f"one of {', '.join((*BUILT_IN, NO_LEARNING))}, or an installed algorithm"

    def admits(self, value: str) -> bool:
        """Returns whether it is one of ours, or some package offers it."""
        return value in method_names()

    def remedy(self, value: str) -> str:
        """Returns the nearest name, all of them, and how to add one."""
        hint = nearest_name(value, list(method_names()))
        return f"{hint[0].lower()}{hint[1:]}; how to add one: {_TUTORIAL}"


def method_names() -> tuple[str, ...]:
    """Returns what a session's method may be: ours, those installed, and none; imports nothing."""
    added = set(installed(GROUP).names) - set(_RESERVED)
    return (*BUILT_IN, *sorted(added), NO_LEARNING)


def load_algorithm(name: str) -> Any:
    """Returns the class that an installed package offers.

    Args:
        name: Of the method.

    Raises:
        AlgorithmError: No package offers it, several do, or it cannot be imported.
    """
    found = installed(GROUP).select(name=name)
    if not found or name in _RESERVED:
        raise AlgorithmError(f"method is {name!r}; {InstalledAlgorithm().remedy(name)}")
    if len(found) > 1:
        raise AlgorithmError(
            f"method is {name!r}, which {packages_of(found)} both offer; uninstall one"
        )
    (entry,) = found
    try:
        return entry.load()
    except Exception as error:
        # Somebody else's module may raise anything; whoever starts a session wants one sentence.
        raise AlgorithmError(
            f"method is {name!r}, which {package_of(entry)} offers as {entry.value}, and that "
            f"cannot be loaded ({cause_of(error)}); mend or reinstall the package"
        ) from error
