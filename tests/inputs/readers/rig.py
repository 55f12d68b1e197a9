"""Values of a rig: those of `given` on top of a complete rig, judged as before a start.

`given` maps `part.key` to a value. The key `rig` names another rig than `widowx`.
"""

from pathlib import Path
from typing import Any

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import select_parts
from tmrl_bringup.rig import RigError, load
from tmrl_bringup.rig_checks import judge

from ..reading import Answer, Outcome


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of the check that runs before any process starts."""
    values = dict(given)
    try:
        rig = load(values.pop("rig", "widowx")).with_examples().with_overrides(values)
        rig = SessionOptions(run_dir=folder / "run").apply(rig)
        judge(rig, select_parts(rig))
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN)
