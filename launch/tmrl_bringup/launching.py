"""The processes of a rig as actions of ROS's `launch`; the description itself is in `processes`."""

import shlex

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from tmrl_bringup.processes import SERVER, NodeSpec, describe_nodes, server_argv
from tmrl_bringup.rig import parse_overrides
from tmrl_bringup.rundir import prepare_run_dir
from tmrl_bringup.up import resolve

_ARGUMENTS = {
    "rig": ("", "path of your own rig file; empty: the one of this name that comes along"),
    "sim": ("false", "true: the simulated arm; false: the hardware"),
    "method": ("tmrl", "tmrl, dsrl or base"),
    "seed": ("0", "of layouts, exploration and learning"),
    "label": ("", "manual: a person labels through the service; auto (simulation): ground truth"),
    "episodes": ("0", "the session stops after that many; 0 for no end"),
    "run_dir": ("", "directory of the run; empty: a new one below runs/; an existing one goes on"),
    "parts": ("all", "all, robot (what is beside the arm), gpu (server, learner), or names"),
    "set": ("", "further parameters, separated by spaces: part.key:=value"),
}
_NOT_OF_THE_SESSION = ("rig", "set")


def _node_action(node: NodeSpec) -> Node:
    ending = (
        {"respawn": True, "respawn_delay": 1.0} if node.restartable else {"on_exit": Shutdown()}
    )
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name,
        namespace=node.namespace,
        parameters=[str(node.parameter_file)],
        output="screen",
        **ending,
    )


def session_launch_description(rig_name: str) -> LaunchDescription:
    """Launch description of one session.

    Args:
        rig_name: Name of the hardware rig; with sim:=true its simulated twin `<rig>_sim` is used,
            with rig:=PATH a lab's own file.
    """

    def start(context: LaunchContext) -> list[Node | ExecuteProcess]:
        given = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
        chosen = [f"{k}:={v}" for k, v in given.items() if v and k not in _NOT_OF_THE_SESSION]
        overrides = parse_overrides([*chosen, *shlex.split(given["set"])])
        session = resolve(given["rig"] or rig_name, overrides)
        run_dir = prepare_run_dir(session.options.run_dir)
        nodes = describe_nodes(session.rig, run_dir, session.parts)
        actions: list[Node | ExecuteProcess] = [_node_action(node) for node in nodes]
        if SERVER in session.parts:
            argv = list(server_argv(session.rig))
            server = ExecuteProcess(cmd=argv, name=SERVER, output="screen", respawn=True)
            actions.insert(0, server)
        return actions

    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in _ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
