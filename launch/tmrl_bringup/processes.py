"""The processes of a rig: the one description behind `ros2 launch`, `./tmrl up` and the demo."""

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_prefix

from tmrl_bringup.checks import repository_root
from tmrl_bringup.rig import Rig
from tmrl_bringup.supervisor import ProcessSpec

NODES = {
    "driver": ("tmrl_sim", "sim"),
    "controller": ("tmrl_controller", "controller"),
    "agent": ("tmrl_agent", "agent"),
    "operator": ("tmrl_operator", "operator"),
    "learning": ("tmrl_learning", "learning"),
}
"""Part -> ROS package and executable. The driver is the simulation's; hardware has its own."""

RESTARTABLE = ("learning", "policy_server")
"""Parts without which the arm holds and nothing is lost; they are started again when they die."""


@dataclass(frozen=True)
class NodeSpec:
    """One ROS node of a rig.

    Attributes:
        part: Name of its part in the rig's file; also the node's name.
        package: ROS package.
        executable: Executable of that package.
        namespace: Namespace, "/" and the robot's name.
        parameter_file: YAML file with its parameters.
        restartable: Whether it may be started again during a session.
    """

    part: str
    package: str
    executable: str
    namespace: str
    parameter_file: Path
    restartable: bool

    def argv(self) -> tuple[str, ...]:
        """Command line without `ros2 run`, for machines that lack it."""
        program = Path(get_package_prefix(self.package), "lib", self.package, self.executable)
        namespace = ("-r", f"__ns:={self.namespace}")
        return (str(program), "--ros-args", *namespace, "--params-file", str(self.parameter_file))


def server_argv(rig: Rig) -> tuple[str, ...]:
    """Command line of the policy server; a relative checkpoint lies in the repository."""
    arguments = [sys.executable, "-m", "tmrl_policy_server"]
    settings = dict(rig.parts["policy_server"])
    settings["checkpoint"] = repository_root() / settings["checkpoint"]
    for key, value in settings.items():
        arguments += [f"--{key.replace('_', '-')}", str(value)]
    return tuple(arguments)


def write_parameters(rig: Rig, run_dir: Path) -> dict[str, Path]:
    """Writes the resolved configuration and one ROS parameter file per node into the run directory.

    Args:
        rig: With every override applied.
        run_dir: Directory of the run; it has to exist.

    Returns:
        Parameter file of each node's part.
    """
    (run_dir / "config.yaml").write_text(yaml.safe_dump(rig.as_dict(), sort_keys=False))
    directory = run_dir / "parameters"
    directory.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for part in NODES:
        parameters = {"use_sim_time": rig.simulated, **rig.parts[part]}
        files[part] = directory / f"{part}.yaml"
        content = {"/**": {"ros__parameters": parameters}}
        files[part].write_text(yaml.safe_dump(content, sort_keys=False))
    return files


def describe_nodes(rig: Rig, run_dir: Path) -> list[NodeSpec]:
    """The ROS nodes of a rig, in the order of their start; writes their parameter files."""
    files = write_parameters(rig, run_dir)
    return [
        NodeSpec(part, *NODES[part], f"/{rig.robot}", files[part], part in RESTARTABLE)
        for part in NODES
    ]


def describe(rig: Rig, run_dir: Path, *, with_server: bool = True) -> list[ProcessSpec]:
    """Every process of a session for the supervisor.

    Args:
        rig: With every override applied.
        run_dir: Directory of the run.
        with_server: False where the policy server runs on another machine.
    """
    nodes = [
        ProcessSpec(node.part, node.argv(), node.restartable)
        for node in describe_nodes(rig, run_dir)
    ]
    server = [ProcessSpec("policy_server", server_argv(rig), restartable=True)]
    return server + nodes if with_server else nodes
