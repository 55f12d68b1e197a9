"""The processes of a rig: the one description behind `ros2 launch`, `./tmrl up` and the demo."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_prefix

from tmrl_bringup.link import NAMES as LINK_KEYS
from tmrl_bringup.link import link_of
from tmrl_bringup.parameter_files import parameter_file
from tmrl_bringup.parts import CAMERAS, SERVER, UPLINK, part_of
from tmrl_bringup.parts.part import Place
from tmrl_bringup.rig import Rig, RigError, nearest, path_in_rig
from tmrl_bringup.rig_checks import node_parameters
from tmrl_bringup.supervisor import ProcessSpec
from tmrl_common.transport.curve import is_local
from tmrl_policies.pi0.inputs.settings import NO_DINO

SERVER_PATHS = ("checkpoint", "dino", "tokeniser", "secret_key", "allowed_keys", "websocket_keys")
"""Settings of the server that name a file or a folder."""


def select_parts(rig: Rig, chosen: str = "all") -> tuple[str, ...]:
    """The parts to start on this machine, in the order of their start.

    Args:
        rig: With the session's values in it.
        chosen: "all": every part, but for a policy server whose endpoint is elsewhere and for an
            uplink, beside whose learner is none; "robot": what must be beside the arm; "gpu":
            policy server and learner; or names of parts, separated by commas.

    Raises:
        RigError: A name is unknown, or there is none.
    """
    every = (SERVER, *(part for part in rig.parts if part != SERVER))
    if chosen == "all":
        endpoint = rig.parts[SERVER].get("endpoint")
        elsewhere = isinstance(endpoint, str) and not is_local(endpoint)
        here = tuple(part for part in every if part != UPLINK)
        return here[1:] if elsewhere else here
    if chosen in tuple(Place):
        return tuple(part for part in every if part_of(part).place == chosen)
    names = [name.strip() for name in chosen.split(",")]
    for name in names:
        if name not in every:
            raise RigError(
                f"unknown part {name!r}; {nearest(name, ['all', 'robot', 'gpu', *every])}; several "
                "are separated by commas, such as parts:=agent,operator"
            )
    return tuple(part for part in every if part in names)


@dataclass(frozen=True)
class NodeSpec:
    """One ROS node of a rig.

    Attributes:
        name: Of the node and of its process.
        package: ROS package.
        executable: Executable of that package.
        namespace: Namespace, "/" and the robot's name.
        parameter_file: YAML file with its parameters.
        restartable: Whether it may be started again during a session.
        stop_grace_s: From the first signal to SIGKILL.
        optional: Whether the session continues without it.
    """

    name: str
    package: str
    executable: str
    namespace: str
    parameter_file: Path
    restartable: bool
    stop_grace_s: float
    optional: bool = False

    def argv(self) -> tuple[str, ...]:
        """Command line without `ros2 run`, for machines that lack it."""
        program = Path(get_package_prefix(self.package), "lib", self.package, self.executable)
        names = ("-r", f"__ns:={self.namespace}", "-r", f"__node:={self.name}")
        return (str(program), "--ros-args", *names, "--params-file", str(self.parameter_file))


def server_argv(rig: Rig) -> tuple[str, ...]:
    """Command line of the policy server; its paths are those of `path_in_rig`."""
    settings = {k: v for k, v in rig.parts[SERVER].items() if k not in LINK_KEYS}
    settings.setdefault("bind", link_of(rig).bind)
    arguments = [sys.executable, "-m", part_of(SERVER).executable]
    for key, value in settings.items():
        # In one word: a value may begin with a hyphen, such as a prompt.
        arguments.append(f"--{key.replace('_', '-')}={server_setting(key, value)}")
    return tuple(arguments)


def server_setting(key: str, value: Any) -> Any:
    """A setting of the policy server as its process takes it: a path is that of a file in the rig.

    Raises:
        RigError: See `path_in_rig`.
    """
    names_a_file = key in SERVER_PATHS and value and (key, value) != ("dino", NO_DINO)
    return path_in_rig(value) if names_a_file else value


def write_parameters(rig: Rig, run_dir: Path, parts: Iterable[str]) -> dict[str, Path]:
    """Writes the resolved configuration and one ROS parameter file per node into the run directory.

    Args:
        rig: With every override applied.
        run_dir: Directory of the run; it must exist.
        parts: Those with a node on this machine.

    Returns:
        Parameter file of each of them.

    Raises:
        RigError: A value is of another type than its field.
    """
    (run_dir / "config.yaml").write_text(yaml.safe_dump(rig.as_dict(), sort_keys=False))
    directory = run_dir / "parameters"
    directory.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for part in parts:
        parameters = {"use_sim_time": rig.simulated, **node_parameters(rig, part)}
        files[part] = directory / f"{node_name(part)}.yaml"
        files[part].write_text(parameter_file(parameters), encoding="utf-8")
    return files


def node_name(part: str) -> str:
    """Name of a part's node and process: `camera_<name>` for a camera, its own for the others."""
    group, _, camera = part.partition(".")
    return f"camera_{camera}" if group == CAMERAS else part


def describe_nodes(rig: Rig, run_dir: Path, parts: Iterable[str] | None = None) -> list[NodeSpec]:
    """The ROS nodes of a rig, in the order of their start; writes their parameter files.

    Args:
        rig: With every override applied.
        run_dir: Directory of the run.
        parts: As `select_parts` gives them; None for all that belong on this machine.
    """
    chosen = [part for part in parts or select_parts(rig) if part != SERVER]
    files = write_parameters(rig, run_dir, chosen)
    return [
        NodeSpec(
            node_name(part),
            part_of(part).package,
            part_of(part).executable,
            f"/{rig.robot}",
            files[part],
            part_of(part).restartable,
            part_of(part).stop_grace_s,
            part_of(part).optional,
        )
        for part in chosen
    ]


def describe(rig: Rig, run_dir: Path, parts: Iterable[str] | None = None) -> list[ProcessSpec]:
    """Every process of a session on this machine, for the supervisor; arguments as above."""
    chosen = tuple(parts or select_parts(rig))
    specs = [
        ProcessSpec(
            node.name, node.argv(), node.restartable, node.stop_grace_s, optional=node.optional
        )
        for node in describe_nodes(rig, run_dir, chosen)
    ]
    if SERVER in chosen:
        server = part_of(SERVER)
        argv = server_argv(rig)
        specs.insert(0, ProcessSpec(SERVER, argv, server.restartable, server.stop_grace_s))
    return specs
