"""Values of a rig on their way into a node, through the parameter files that ROS reads.

`given` maps `part.key` to a value. What a node has after its start is compared with the field's
reading of it: what arrives as something else is answered with `Outcome.WARNED`.
"""

from pathlib import Path
from typing import Any

from tmrl_bringup.parameter_files import parameter_file
from tmrl_bringup.parts import SERVER
from tmrl_bringup.rig import RigError, load
from tmrl_bringup.rig_checks import node_parameters
from tmrl_ros.testing import parameters_in_a_node

from ..reading import Answer, Outcome


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of whoever writes the parameter file, and what ROS reads from it."""
    try:
        rig = load("widowx").with_examples().with_overrides(given)
        wanted = {part: node_parameters(rig, part) for part in rig.parts if part != SERVER}
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    file = folder / "parameters.yaml"
    file.write_text(parameter_file(wanted), encoding="utf-8")
    arrived = parameters_in_a_node(file)
    for path in given:
        part = next(part for part in rig.parts if path.startswith(f"{part}."))
        meant = wanted[part][path.removeprefix(f"{part}.")]
        if repr(_as_list(arrived[path])) != repr(_as_list(meant)):
            return Answer(Outcome.WARNED, f"{path} is {meant!r} and arrives as {arrived[path]!r}")
    return Answer(Outcome.TAKEN)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else list(value)
