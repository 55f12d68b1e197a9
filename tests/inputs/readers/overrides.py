"""Values behind a rig's name: `given` is the list of `part.key:=value`, as the shell hands it.

The rig is `widowx`, its examples taken for values.
"""

from pathlib import Path

from tmrl_bringup.rig import RigError, parse_overrides

from ..reading import Answer, Outcome
from .rig import judged_with


def read(given: list[str], folder: Path) -> Answer:
    """The answer of the check that runs before any process starts."""
    try:
        values = parse_overrides([str(argument) for argument in given])
        judged_with("widowx", values, folder)
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, repr(values))
