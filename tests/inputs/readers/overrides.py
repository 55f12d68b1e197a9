"""Values behind a rig's name: `given` is the list of `part.key:=value`, as the shell hands it.

The rig is `widowx`, its examples taken for values.
"""

from pathlib import Path

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import select_parts
from tmrl_bringup.rig import RigError, load, parse_overrides
from tmrl_bringup.rig_checks import judge

from ..reading import Answer, Outcome


def read(given: list[str], folder: Path) -> Answer:
    """The answer of the check that runs before any process starts."""
    try:
        values = parse_overrides([str(argument) for argument in given])
        rig = load("widowx").with_examples().with_overrides(values)
        rig = SessionOptions(run_dir=folder / "run").apply(rig)
        judge(rig, select_parts(rig))
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, repr(values))
