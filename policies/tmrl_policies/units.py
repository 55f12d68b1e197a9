"""Units of columns by their names, and how large a number of such a unit ever is on an arm."""

from collections.abc import Mapping
from typing import NamedTuple


class Unit(NamedTuple):
    """What the numbers of a column are.

    Attributes:
        name: As a person writes it.
        largest: Magnitude that no arm on a table goes beyond.
        instead: What larger numbers most likely are.
    """

    name: str
    largest: float
    instead: str


_METRES = Unit("m", 3.0, "mm or cm")
_RADIANS = Unit("rad", 7.0, "degrees")
_SHARE = Unit("a share, 0 to 1", 2.0, "percent, or steps of a motor")
_FINGER = Unit("m", 0.5, "mm")
_SPEED = Unit("DROID's unit, -1 to 1", 7.0, "degrees per second")

_PER_STEP = 0.2
"""Share of the largest magnitude that no arm moves by in one step."""

_BY_NAME: Mapping[str, Unit] = {
    **dict.fromkeys(("tool_x", "tool_y", "tool_z"), _METRES),
    **dict.fromkeys(("tool_roll", "tool_pitch", "tool_yaw"), _RADIANS),
    **dict.fromkeys(("rotation_x", "rotation_y", "rotation_z"), _RADIANS),
    **dict.fromkeys((f"joint_{number}" for number in range(1, 8)), _RADIANS),
    **dict.fromkeys((f"joint_{number}_velocity" for number in range(1, 8)), _SPEED),
    **dict.fromkeys(("gripper_opening", "gripper_closing", "gripper"), _SHARE),
    **dict.fromkeys(("finger_left", "finger_right"), _FINGER),
}


def unit_of(column: str) -> Unit | None:
    """The unit of a column of a rig, changes per step included; None where the name tells none."""
    return _BY_NAME.get(column.removeprefix("delta_"))


def odd_unit(column: str, value: float, *, per_step: bool = False) -> str:
    """What a number most likely is instead of its column's unit; empty where it may be right.

    Args:
        column: Name of a column of a rig.
        value: Its value, or how much it varies.
        per_step: Whether it is the change of one step, which is smaller.
    """
    unit = unit_of(column)
    if unit is None or abs(value) <= unit.largest * (_PER_STEP if per_step else 1.0):
        return ""
    return f"the column is {unit.name}, and this looks like {unit.instead}"
