"""Values of a rig on their way into a node, through the parameter files that ROS reads.

`given` maps `part.key` to a value. What a node has after its start is compared with the field's
reading of it: what arrives as something else is answered with `Outcome.WARNED`.
"""

from pathlib import Path
from typing import Any

from rclpy.context import Context
from rclpy.node import Node

from tmrl_bringup.parameter_files import parameter_file
from tmrl_bringup.parts import SERVER
from tmrl_bringup.rig import RigError, load
from tmrl_bringup.rig_checks import node_parameters
from tmrl_ros.network import enter_ros

from ..reading import Answer, Outcome


def read(given: dict[str, Any], folder: Path) -> Answer:
    """The answer of whoever writes the parameter file, and what ROS reads from it."""
    try:
        rig = load("widowx").with_examples().with_overrides(given)
        wanted = {part: node_parameters(rig, part) for part in rig.parts if part != SERVER}
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    arrived = _through_ros(wanted, folder / "parameters.yaml")
    for path in given:
        part = next(part for part in rig.parts if path.startswith(f"{part}."))
        meant = wanted[part][path.removeprefix(f"{part}.")]
        if repr(_as_list(arrived[path])) != repr(_as_list(meant)):
            return Answer(Outcome.WARNED, f"{path} is {meant!r} and arrives as {arrived[path]!r}")
    return Answer(Outcome.TAKEN)


def _through_ros(parameters: dict[str, Any], file: Path) -> dict[str, Any]:
    file.write_text(parameter_file(parameters), encoding="utf-8")
    context = Context()
    enter_ros(["--ros-args", "--params-file", str(file)], context=context)
    try:
        node = Node(
            "inputs",
            context=context,
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=False,
            enable_rosout=False,
        )
        values = {name: each.value for name, each in node.get_parameters_by_prefix("").items()}
        node.destroy_node()
    finally:
        context.try_shutdown()
    return values


def _as_list(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else list(value)
