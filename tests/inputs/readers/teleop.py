"""Readings of a person's device, as devices and scripts publish them, given to the controller.

`given` lists what differs from a good reading of a pressed gamepad, for each reading in turn;
before them the device was seen released, unless `from_start` is true:

    readings: [{age_s: 5.0}, {}]      # age_s ahead of now is negative; stamp_ns: 0 for no stamp
    from_start: true
"""

from pathlib import Path
from typing import Any

from tmrl_controller.core import ControllerCore
from tmrl_controller.testing import CONFIG, ManualClock, arm_state, moves, teleop_command

from ..reading import Answer, Outcome

_FRAME = "widowx/base"


def read(given: dict[str, Any], folder: Path) -> Answer:
    """Whether the readings move the arm, and what the controller's status says."""
    del folder
    clock = ManualClock()
    core = ControllerCore(CONFIG, clock)
    readings = given["readings"]
    if not given.get("from_start"):
        readings = [{"active": False}, *readings]
    moved = False
    for number, changes in enumerate(readings, start=1):
        clock.time_s += CONFIG.tick_period_s
        core.on_arm_state(arm_state(sequence=number, frame_id=_FRAME))
        values = dict(changes)
        age_ns = round(values.pop("age_s", 0.0) * 1e9)
        core.on_teleop(teleop_command(**{"stamp_ns": clock.stamp_ns() - age_ns, **values}))
        moved = bool(moves(core.tick()))
    refusal = core.status().last_refusal
    if not moved:
        return Answer(Outcome.REFUSED, refusal)
    return Answer(Outcome.WARNED if refusal else Outcome.TAKEN, refusal)
