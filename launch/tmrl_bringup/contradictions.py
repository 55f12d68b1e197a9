"""A rig judged as a whole: what each part allows for itself, and together cannot be.

A part's own configuration class judges its own values; whatever two parts must agree on is here.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tmrl_bringup.options import nothing_real_moves
from tmrl_bringup.rig import Rig
from tmrl_common.arm_drivers import DriverDescription, DriverError, find_driver

_STEADY = "steady"


def contradictions(rig: Rig, parts: Collection[str]) -> list[str]:
    """One sentence for each contradiction, in the order of the parts that they concern.

    Args:
        rig: With the session's values in it.
        parts: Those that are to be started here; nothing is said of others, whose values may be
            those of another machine.
    """
    return [f"  {sentence}" for check in _CHECKS for sentence in check(rig, parts)]


def _foreign_kinematics(rig: Rig, parts: Collection[str]) -> list[str]:
    """Of a controller that would reckon a real arm with another one's geometry."""
    if not {"arm", "controller"} <= set(parts):
        return []
    description = _description_of(rig.parts["arm"])
    named = rig.parts["controller"].get("kinematics")
    if description is None or description.simulated or named in (None, "", description.name):
        return []
    return [
        f"controller: kinematics is {named!r}, but arm.driver is {description.name!r}: the joint "
        "limits would be those of another arm; give both the same name"
    ]


def _real_arm_as_simulated(rig: Rig, parts: Collection[str]) -> list[str]:
    """Of a controller that would take a real arm for one that breaks nothing."""
    if "controller" not in parts or nothing_real_moves(rig):
        return []
    controller = rig.parts["controller"]
    driver = rig.parts["arm"].get("driver")
    found: list[str] = []
    if controller.get("simulated_arm"):
        found.append(
            f"controller: simulated_arm is true, but arm.driver is {driver!r}, a real arm: remove "
            "the line, the launch sets it where it is so"
        )
    pacing = controller.get("pacing", _STEADY)
    if pacing != _STEADY:
        found.append(
            f"controller: pacing is {pacing!r}, which is for simulations; with arm.driver "
            f"{driver!r}, a real arm, it must be {_STEADY}: its watchdogs need a clock of their own"
        )
    return found


def _description_of(values: Mapping[str, Any]) -> DriverDescription | None:
    """That of the arm's driver; None where it cannot be loaded, which `judge` refuses."""
    name = values.get("driver")
    try:
        return find_driver(name) if isinstance(name, str) else None
    except DriverError:
        return None


_CHECKS: tuple[Callable[[Rig, Collection[str]], list[str]], ...] = (
    _foreign_kinematics,
    _real_arm_as_simulated,
)
