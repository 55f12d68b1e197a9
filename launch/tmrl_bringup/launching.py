"""The processes of a rig as actions of ROS's `launch`; the description itself is in `processes`."""

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    Shutdown,
)
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from tmrl_bringup.arguments import ARGUMENTS, RIG, Argument, from_launch, simulated_rigs
from tmrl_bringup.processes import SERVER, NodeSpec, describe_nodes, server_argv
from tmrl_bringup.rundir import prepare_run_dir
from tmrl_bringup.up import resolve


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


def declared_arguments(rig_name: str) -> list[DeclareLaunchArgument]:
    """Return what `ros2 launch --show-args` lists; `sim` only for a rig that has a counterpart."""
    own = Argument(rig_name, "name of a rig that comes along, or path of your own rig file")
    offered = {RIG: own, **ARGUMENTS}
    if rig_name not in simulated_rigs():
        del offered["sim"]
    return [
        DeclareLaunchArgument(
            name,
            default_value=argument.default,
            description=argument.meaning,
            choices=list(argument.choices) or None,
        )
        for name, argument in offered.items()
    ]


def session_launch_description(rig_name: str) -> LaunchDescription:
    """Return the launch description of one session.

    Args:
        rig_name: Name of the hardware rig; with sim:=true its simulated counterpart `<rig>_sim` is
            used, with rig:=PATH a lab's own file.
    """

    def start(context: LaunchContext) -> list[Node | ExecuteProcess]:
        session = resolve(*from_launch(rig_name, context.launch_configurations))
        run_dir = prepare_run_dir(session.options.run_dir)
        nodes = describe_nodes(session.rig, run_dir, session.parts)
        actions: list[Node | ExecuteProcess] = [_node_action(node) for node in nodes]
        if SERVER in session.parts:
            argv = list(server_argv(session.rig))
            server = ExecuteProcess(cmd=argv, name=SERVER, output="screen", respawn=True)
            actions.insert(0, server)
        return actions

    return LaunchDescription([*declared_arguments(rig_name), OpaqueFunction(function=start)])
