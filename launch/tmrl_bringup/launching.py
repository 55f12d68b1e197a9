"""The processes of a rig as actions of ROS's `launch`; the description itself is in `processes`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessExited, ProcessIO
from launch_ros.actions import Node

from launch import Action, LaunchContext, LaunchDescription
from tmrl_bringup import restarts
from tmrl_bringup.arguments import ARGUMENTS, RIG, Argument, from_launch, simulated_rigs
from tmrl_bringup.parts import SERVER, part_of
from tmrl_bringup.processes import NodeSpec, describe_nodes, server_argv
from tmrl_bringup.restarts import RestartBudget
from tmrl_bringup.rundir import prepare_directories
from tmrl_bringup.up import resolve
from tmrl_common.clock import SteadyClock
from tmrl_common.errors import TmrlError

_KILL_AFTER_S = 1.0
"""From SIGTERM to SIGKILL, once a process has had its grace after SIGINT."""
_CTRL_C_S = 0.5
"""A terminal sends Ctrl-C to every process, so a node may have ended before launch hears of it."""
_Make = Callable[..., ExecuteProcess]


class SessionEndedError(TmrlError):
    """A process ended that the session cannot do without; launch ends with exit code 1."""


@dataclass(frozen=True)
class Kept:
    """A process that is kept running as `./tmrl up` keeps it: same log, budget, and graces."""

    make: _Make
    log: Path
    budget: RestartBudget
    grace_s: float

    def start(self) -> list[Action]:
        """Returns what starts the process and watches it."""
        process = self.make(
            output="screen",
            additional_env={"PYTHONUNBUFFERED": "1"},
            # SIGINT comes first and means the same as SIGTERM to every part.
            sigterm_timeout=str(self.grace_s),
            sigkill_timeout=str(_KILL_AFTER_S),
            on_exit=self._on_exit,
        )
        copies = OnProcessIO(target_action=process, on_stdout=self._copy, on_stderr=self._copy)
        return [RegisterEventHandler(copies), process]

    def _copy(self, event: ProcessIO) -> None:
        with self.log.open("ab") as log:
            log.write(event.text)

    def _on_exit(self, event: ProcessExited, context: LaunchContext) -> list[Action]:
        """Judges the end of the process after a moment; a shutdown meanwhile cancels the timer."""
        if context.is_shutdown:
            return []
        judge = OpaqueFunction(function=lambda _: self._judge(event.returncode))
        return [TimerAction(period=_CTRL_C_S, actions=[judge])]

    def _judge(self, code: int) -> list[Action]:
        verdict = self.budget.on_exit(code, self.log)
        if verdict.fatal:
            raise SessionEndedError(verdict.text)
        if not verdict.again:
            return [LogInfo(msg=verdict.text)]
        pause = TimerAction(period=restarts.RESTART_PAUSE_S, actions=self.start())
        return [LogInfo(msg=verdict.text), pause]


def _node(node: NodeSpec) -> _Make:
    def make(**keeping: object) -> Node:
        return Node(
            package=node.package,
            executable=node.executable,
            name=node.name,
            namespace=node.namespace,
            parameters=[str(node.parameter_file)],
            **keeping,
        )

    return make


def _server(argv: tuple[str, ...]) -> _Make:
    def make(**keeping: object) -> ExecuteProcess:
        return ExecuteProcess(cmd=list(argv), name=SERVER, **keeping)

    return make


def _start(rig_name: str, context: LaunchContext) -> list[Action]:
    """Returns what starts the session that the launch configurations ask for."""
    session = resolve(*from_launch(rig_name, context.launch_configurations))
    run_dir, log_dir = prepare_directories(session.options, session.parts)
    clock = SteadyClock()

    def keep(
        name: str, make: _Make, grace_s: float, *, restartable: bool, optional: bool = False
    ) -> list[Action]:
        budget = RestartBudget(name, clock, restartable=restartable, optional=optional)
        return Kept(make, log_dir / f"{name}.log", budget, grace_s).start()

    actions: list[Action] = []
    if SERVER in session.parts:
        make, server = _server(server_argv(session.rig)), part_of(SERVER)
        actions += keep(SERVER, make, server.stop_grace_s, restartable=server.restartable)
    for node in describe_nodes(session.rig, run_dir, session.parts):
        actions += keep(
            node.name,
            _node(node),
            node.stop_grace_s,
            restartable=node.restartable,
            optional=node.optional,
        )
    return actions


def declared_arguments(rig_name: str) -> list[DeclareLaunchArgument]:
    """Returns what `ros2 launch --show-args` lists; `sim` only for a rig that has a counterpart."""
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
    """Returns the launch description of one session.

    Args:
        rig_name: Name of the hardware rig; with sim:=true its simulated counterpart `<rig>_sim` is
            used, with rig:=PATH a lab's own file.
    """
    start = OpaqueFunction(function=lambda context: _start(rig_name, context))
    return LaunchDescription([*declared_arguments(rig_name), start])
