"""`./tmrl up RIG`: the processes of a rig, where `ros2 launch` is missing, or just as well."""

import argparse
import asyncio
import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_bringup.arguments import (
    ARGUMENTS,
    choice,
    refuse_unknown,
    rig_to_load,
    whole_number,
)
from tmrl_bringup.console_address import announce, forget_address
from tmrl_bringup.end_signals import when_asked_to_end, write_nowhere
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import Rig, RigError, available, filled_in, load, parse_overrides
from tmrl_bringup.rig_checks import judge
from tmrl_bringup.rundir import new_run_dir, prepare_directories
from tmrl_bringup.supervisor import Supervisor
from tmrl_bringup.two_machines import through_one_door

_LOOK_S = 0.5
_DESCRIPTION = """\
Starts the processes of a rig and keeps them running until Ctrl-C: the same description as
`ros2 launch tmrl_bringup <rig>.launch.py`. The session starts when a person asks for it:
./tmrl call operator/start, or
ros2 service call /ROBOT/operator/start tmrl_msgs/srv/PersonRequest"""


def _epilog() -> str:
    lines = ["arguments:"]
    for name, argument in ARGUMENTS.items():
        valid = "|".join(each for each in argument.choices if each)
        text = f"{argument.meaning} ({valid})" if valid else argument.meaning
        given = f"  {name}:={argument.default}"
        lines += textwrap.wrap(text, 96, initial_indent=f"{given:22} ", subsequent_indent=" " * 23)
    lines.append(f"{'  PART.KEY:=VALUE':22} any parameter of the rig's file")
    lines.append(f"{'':22} such as controller.sigma_cap:=0.4")
    return "\n".join(lines)


def _absolute(path: object) -> Path:
    return filled_in(path).resolve()


def _options(session: Mapping[str, Any]) -> SessionOptions:
    given = {name: argument.default for name, argument in ARGUMENTS.items()} | dict(session)
    run_dir, log_dir = given["run_dir"], given["log_dir"]
    return SessionOptions(
        run_dir=_absolute(run_dir) if run_dir else new_run_dir(),
        log_dir=_absolute(log_dir) if log_dir else None,
        method=choice("method", given["method"]),
        seed=whole_number("seed", given["seed"]),
        label=choice("label", given["label"]),
        max_episodes=whole_number("episodes", given["episodes"]),
    )


@dataclass(frozen=True)
class Session:
    """What is to run on this machine.

    Attributes:
        rig: Complete, with every value of the session in it.
        options: Of the session.
        parts: Names of the parts to start, in the order of their start.
    """

    rig: Rig
    options: SessionOptions
    parts: tuple[str, ...]


def propose(rig_name: str, overrides: dict[str, Any]) -> Session:
    """The session that a command line asks for, whose rig may still be incomplete.

    Args:
        rig_name: Name of a rig, or path of a lab's own file.
        overrides: Session arguments, as text, and `part.key` parameters, as YAML reads them.

    Raises:
        RigError: A name is unknown, or the file cannot be used.
    """
    session = {key: str(value) for key, value in overrides.items() if "." not in key}
    parameters = {key: value for key, value in overrides.items() if "." in key}
    refuse_unknown(session, tuple(ARGUMENTS))
    sim = choice("sim", session.get("sim", ARGUMENTS["sim"].default)) == "true"
    rig = load(rig_to_load(rig_name, sim=sim))
    if robot := session.get("robot"):
        rig = rig.renamed(robot)
    options = _options(session)
    chosen = session.get("parts", ARGUMENTS["parts"].default)
    rig = options.apply(through_one_door(rig.with_overrides(parameters), chosen))
    parts = select_parts(rig, chosen)
    if options.method == "base" and "learning" not in parts:
        # Nobody would report; one that runs is waited for, so that it stores every episode.
        rig = rig.with_overrides({"operator.wait_for_learner": False})
    return Session(rig, options, parts)


def resolve(rig_name: str, overrides: dict[str, Any]) -> Session:
    """The session that a command line asks for, ready to be started; touches nothing on disk.

    Args:
        rig_name: Name of a rig, or path of a lab's own file.
        overrides: Session arguments, as text, and `part.key` parameters, as YAML reads them.

    Raises:
        RigError: Something is unknown, missing or impossible; the text names all of it.
    """
    session = propose(rig_name, overrides)
    judge(session.rig, session.parts)
    return session


def _say(text: str) -> None:
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        # Nobody reads any more, as behind a pipe into a program that died. Every process has its
        # log, and whoever watches over them must not stop watching for this.
        write_nowhere()


async def _keep_running(supervisor: Supervisor, run_dir: Path, is_over: Callable[[], bool]) -> int:
    interrupted = asyncio.Event()
    when_asked_to_end(asyncio.get_running_loop(), interrupted.set)
    address = asyncio.create_task(announce(run_dir, _say))
    ends: list[asyncio.Task[Any]] = [
        asyncio.create_task(each)
        for each in (interrupted.wait(), supervisor.failed.wait(), _until(is_over))
    ]
    try:
        await supervisor.start()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Whatever happened: an arm's driver is asked to brake, not killed with this process.
        await supervisor.stop()
        for task in (*ends, address):
            task.cancel()
    return 1 if supervisor.failed.is_set() else 0


async def _until(is_over: Callable[[], bool]) -> None:
    while not is_over():
        await asyncio.sleep(_LOOK_S)


def run(session: Session, is_over: Callable[[], bool] = lambda: False) -> int:
    """Starts a session's processes and waits for their end.

    Args:
        session: What is to run.
        is_over: Whether the processes are to be ended; asked twice per second.

    Returns:
        The exit code: 0 where the session was over or a person ended it, 1 where a process failed.

    Raises:
        RigError: The run directory cannot be used.
    """
    run_dir, log_dir = prepare_directories(session.options, session.parts)
    forget_address(run_dir)
    specs = describe(session.rig, run_dir, session.parts)
    supervisor = Supervisor(specs, log_dir, lambda event: _say(event.text))
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    _say(f"run directory {run_dir}, ROS domain {domain}; Ctrl-C ends it")
    return asyncio.run(_keep_running(supervisor, run_dir, is_over))


def main(argv: list[str]) -> int:
    """Starts a rig and waits; the exit code of the command."""
    parser = argparse.ArgumentParser(
        prog="./tmrl up",
        description=_DESCRIPTION,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "rig",
        metavar="RIG",
        help=f"{', '.join(available())}, or the path of your own file (*.yaml)",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY:=VALUE")
    parsed = parser.parse_args(argv)
    try:
        return run(resolve(parsed.rig, parse_overrides(parsed.overrides)))
    except RigError as error:
        sys.stderr.write(f"tmrl up: {error}\n")
        return 2
