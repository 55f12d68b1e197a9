"""The processes of a rig as actions of ROS's `launch`; the description itself is in `processes`."""

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import NodeSpec, describe_nodes, server_argv
from tmrl_bringup.rig import load, parse_overrides
from tmrl_bringup.rundir import prepare_run_dir

_ARGUMENTS = {
    "sim": ("true", "true: the simulated arm; false: the hardware"),
    "method": ("tmrl", "tmrl, dsrl or base"),
    "seed": ("0", "of layouts, exploration and learning"),
    "label": ("auto", "auto: ground truth labels; manual: a person labels through the service"),
    "episodes": ("0", "the session stops after that many; 0 for no end"),
    "run_dir": ("", "directory of the run; empty: a new one below runs/; an existing one goes on"),
    "server": ("true", "false where the policy server runs on another machine"),
    "set": ("", "further parameters, separated by spaces: part.key:=value"),
}


def _node_action(node: NodeSpec) -> Node:
    ending = (
        {"respawn": True, "respawn_delay": 1.0} if node.restartable else {"on_exit": Shutdown()}
    )
    return Node(
        package=node.package,
        executable=node.executable,
        namespace=node.namespace,
        parameters=[str(node.parameter_file)],
        output="screen",
        **ending,
    )


def session_launch_description(rig_name: str) -> LaunchDescription:
    """Launch description of one session.

    Args:
        rig_name: Name of the hardware rig; with sim:=true its simulated twin `<rig>_sim` is used.
    """

    def session(context: LaunchContext) -> list[Node | ExecuteProcess]:
        given = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
        name = f"{rig_name}_sim" if given["sim"] == "true" else rig_name
        options = SessionOptions(
            run_dir=prepare_run_dir(Path(given["run_dir"]) if given["run_dir"] else None),
            method=given["method"],
            seed=int(given["seed"]),
            label=given["label"],
            max_episodes=int(given["episodes"]),
        )
        changes = parse_overrides(given["set"].split())
        rig = options.apply(load(name).with_overrides(changes))
        actions: list[Node | ExecuteProcess] = [
            _node_action(node) for node in describe_nodes(rig, options.run_dir)
        ]
        if given["server"] == "true":
            server = ExecuteProcess(
                cmd=list(server_argv(rig)), name="policy_server", output="screen", respawn=True
            )
            actions.insert(0, server)
        return actions

    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in _ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=session)])
