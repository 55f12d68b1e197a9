"""Arguments of `./tmrl up widowx_sim`, judged before a start."""

from pathlib import Path

from tmrl_bringup.rig import RigError, parse_overrides
from tmrl_bringup.up import resolve

from ..reading import Answer, Outcome


def read(given: list[str], folder: Path) -> Answer:
    """Refused, or the parts that would be started."""
    arguments = [argument.replace("{folder}", str(folder)) for argument in given]
    try:
        session = resolve("widowx_sim", parse_overrides(arguments))
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, f"{', '.join(session.parts)} in {session.options.run_dir}")
