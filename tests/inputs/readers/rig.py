"""Values of a rig: those of `given` on top of a complete rig, judged as before a start.

`given` maps `part.key` to a value. The key `rig` names another rig than `widowx`.
"""

from pathlib import Path
from typing import Any

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import select_parts
from tmrl_bringup.rig import Rig, RigError, load
from tmrl_bringup.rig_checks import judge

from ..reading import Answer, Outcome


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of the check that runs before any process starts."""
    values = dict(given)
    try:
        judged_with(values.pop("rig", "widowx"), values, folder)
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN)


def judged_with(name: str, values: dict[str, Any], folder: Path) -> Rig:
    """A rig, judged with its examples taken for values and with some of its values replaced."""
    rig = load(name).with_examples().with_overrides(values)
    rig = SessionOptions(run_dir=folder / "run").apply(rig)
    judge(rig, select_parts(rig))
    return rig
