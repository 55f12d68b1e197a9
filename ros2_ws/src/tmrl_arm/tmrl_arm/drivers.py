"""Makes the driver of a description; its module, and the vendor's software, load only here."""

from tmrl_arm.driver import ArmDriver
from tmrl_common.arm_drivers import DriverDescription, import_driver
from tmrl_common.clock import Clock


def make_driver(description: DriverDescription, settings: object | None, clock: Clock) -> ArmDriver:
    """A driver, not connected yet.

    Args:
        description: Which one.
        settings: Of the description's class; None where it has none.
        clock: For its readings and time-outs.

    Raises:
        DriverError: Its software is not installed; the text says what to do.
    """
    make = import_driver(description)
    return make(clock) if settings is None else make(settings, clock)
