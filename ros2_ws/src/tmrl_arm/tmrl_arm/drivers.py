"""The drivers by name. A module, and with it the vendor's software, loads only when asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tmrl_arm.driver import ArmDriver
from tmrl_arm.params import DriverName
from tmrl_common.clock import Clock
from tmrl_common.errors import ConfigError


@dataclass(frozen=True)
class _Entry:
    driver: str
    """`module:name` of what makes it from its settings, if it has any, and a clock."""
    settings: str = ""
    """`module:class` of its settings, the parameters in the group of the driver's name."""
    remedy: str = ""
    """What to do where the module cannot be imported."""


_DRIVERS = {
    DriverName.LOOPBACK: _Entry(
        "tmrl_arm.loopback:LoopbackArm", "tmrl_arm.loopback:LoopbackConfig"
    ),
    # The simulation brings its driver along; a robot's machine need not have it.
    DriverName.MUJOCO: _Entry(
        "tmrl_sim.driver:SimulatedArm", remedy="build tmrl_sim (./tmrl setup)"
    ),
    DriverName.FRANKY: _Entry(
        "tmrl_arm.franka.franky_robot:make_driver",
        "tmrl_arm.franka.franky_config:FrankyConfig",
        "install franky-control (./tmrl setup does)",
    ),
    DriverName.INTERBOTIX: _Entry(
        "tmrl_arm.interbotix.driver:InterbotixDriver",
        "tmrl_arm.interbotix.config:InterbotixConfig",
        "build and source the vendor's workspace with interbotix_xs_msgs",
    ),
}

GROUPS = tuple(name.value for name, entry in _DRIVERS.items() if entry.settings)
"""Names of the groups of drivers' parameters."""


def settings_class(name: DriverName) -> type[Any] | None:
    """Dataclass of a driver's settings; None where it has none."""
    entry = _DRIVERS[name]
    return _load(name, entry.settings) if entry.settings else None


def make_driver(name: DriverName, settings: object | None, clock: Clock) -> ArmDriver:
    """A driver, not connected yet.

    Args:
        name: Which one.
        settings: Of the class that `settings_class` names.
        clock: For its readings and time-outs.

    Raises:
        ConfigError: Its software is not installed; the text says what to do.
    """
    make = _load(name, _DRIVERS[name].driver)
    return make(clock) if settings is None else make(settings, clock)


def _load(name: DriverName, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(
            f"the driver {name.value!r} cannot be loaded: {error}; {_DRIVERS[name].remedy}"
        ) from error
