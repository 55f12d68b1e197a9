"""The drivers of arms that are installed, by name: Python entry points of the group GROUP.

A package offers a driver by one line of its metadata, `name = "module:DESCRIPTION"`. Nothing of a
driver is imported before it is chosen, and of the chosen one only the module of its description;
the driver itself, and with it the vendor's software, is imported when it is made.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

from tmrl_common.arm import ArmCapabilities
from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_common.kinematics import Kinematics
from tmrl_common.plugins import cause_of, installed, package_of, packages_of

GROUP = "tmrl.arm_drivers"
_TUTORIAL = "docs/tutorials/own_robot.md"


class DriverError(ConfigError):
    """A driver is not installed, is installed twice, or cannot be imported."""


@dataclass(frozen=True)
class DriverDescription:
    """What a package says about its driver. Its module imports neither torch nor the vendor.

    Attributes:
        name: In rig files, `arm.driver: NAME`; also the group of the driver's settings.
        driver: `module:attribute` of what makes the driver (`tmrl_arm.driver.ArmDriver`) from
            settings and a clock, or from a clock alone where there are no settings.
        simulated: Whether nothing real moves: whoever looks for faults may connect to it unasked.
        settings: Frozen dataclass of the settings; None where there are none.
        kinematics: The arm's geometry; None where it takes poses only, which ask for none here.
        capabilities: What the arm can do, from its settings; None where only the driver itself
            knows. A rig is judged by it before anything starts.
        remedy: What to do where the driver cannot be imported, such as the package to install.
    """

    name: str
    driver: str
    simulated: bool
    settings: type[Any] | None = None
    kinematics: Kinematics | None = None
    capabilities: Callable[[Any], ArmCapabilities] | None = None
    remedy: str = ""

    def __post_init__(self) -> None:
        """Refuses a name that cannot be a group of parameters, and a driver that is no path.

        Raises:
            DriverError: The text names the value and what is valid.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise DriverError(
                f"the driver's name is {self.name!r}; it must be lower-case letters, digits and "
                "underscores, and begin with a letter"
            )
        if not re.fullmatch(r"[\w.]+:\w+", self.driver):
            raise DriverError(f"driver is {self.driver!r}; it must be module:attribute")


class InstalledDriver:
    """Constraint: the name of an installed driver."""

    @property
    def text(self) -> str:
        """What is valid."""
        return "the name of an installed driver"

    def admits(self, value: str) -> bool:
        """Returns whether some package offers it."""
        return value in driver_names()

    def remedy(self, value: str) -> str:
        """Returns the nearest name, all of them, and how to add one."""
        if not driver_names():
            return "no driver at all is installed here: build the workspace (./tmrl setup)"
        hint = nearest_name(value, list(driver_names()))
        return (
            f"no installed package offers this driver. {hint}. Install the package that does, "
            f"or write one ({_TUTORIAL})"
        )


def driver_names() -> tuple[str, ...]:
    """Returns the names of all installed drivers, sorted; imports none of them."""
    return tuple(sorted(installed(GROUP).names))


def find_driver(name: str) -> DriverDescription:
    """Returns what the package of a driver says about it.

    Args:
        name: As in rig files.

    Raises:
        DriverError: No package offers it, several do, or its description cannot be imported or
            is of another driver.
    """
    found = installed(GROUP).select(name=name)
    if not found:
        raise DriverError(f"driver is {name!r}; {InstalledDriver().remedy(name)}")
    if len(found) > 1:
        raise DriverError(
            f"driver is {name!r}, which {packages_of(found)} both offer: uninstall one of them, or "
            "rename its entry point"
        )
    (entry,) = found
    return _described(entry)


def import_driver(description: DriverDescription) -> Any:
    """Returns what makes the driver.

    Raises:
        DriverError: Its software is not installed; the text says what to do.
    """
    module, _, attribute = description.driver.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        # Somebody else's module may raise anything; whoever starts an arm wants one sentence.
        remedy = description.remedy or "install what its package needs"
        raise DriverError(
            f"the driver {description.name!r} cannot be loaded: {cause_of(error)}; {remedy}"
        ) from error


def _described(entry: EntryPoint) -> DriverDescription:
    offer = f"driver is {entry.name!r}, which {package_of(entry)} offers as {entry.value}"
    try:
        loaded = entry.load()
    except Exception as error:
        # As above.
        raise DriverError(
            f"{offer}, and that cannot be loaded ({cause_of(error)}): mend or reinstall the "
            "package, or choose another driver"
        ) from error
    if not isinstance(loaded, DriverDescription):
        raise DriverError(f"{offer}, which is no DriverDescription: mend the package ({_TUTORIAL})")
    if loaded.name != entry.name:
        raise DriverError(
            f"{offer}, which describes {loaded.name!r}: give both the same name ({_TUTORIAL})"
        )
    return loaded
