"""`./tmrl up RIG`: the processes of a rig, where `ros2 launch` is missing, or just as well."""

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmrl_bringup.ending import when_asked_to_end
from tmrl_bringup.judging import judge
from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe, select_parts
from tmrl_bringup.rig import Rig, RigError, available, load, nearest, parse_overrides
from tmrl_bringup.rundir import new_run_dir, prepare_run_dir
from tmrl_bringup.supervisor import ProcessEvent, Supervisor

_DESCRIPTION = """\
Starts the processes of a rig and keeps them running until Ctrl-C: the same description as
`ros2 launch tmrl_bringup <rig>.launch.py`. The session starts when a person asks for it:
./tmrl call operator/start, or ros2 service call /ROBOT/operator/start std_srvs/srv/Trigger"""

_EPILOG = """\
keys:
  sim:=false             true: the simulated arm (RIG_sim)
  method:=tmrl           tmrl, dsrl or base
  label:=manual          a person labels through operator/label; auto (simulation): ground truth
  seed:=0  episodes:=0  run_dir:=DIR
  parts:=all             all (without a policy server that is elsewhere), robot (what has to be
                         beside the arm), gpu (policy server and learner), or names of parts
  PART.KEY:=VALUE        any parameter of the rig's file, e.g. controller.sigma_cap:=0.4"""


SESSION_KEYS = ("sim", "method", "label", "seed", "episodes", "run_dir", "parts")


def _split(overrides: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Session keys and part.key parameters."""
    session = {key: value for key, value in overrides.items() if "." not in key}
    return session, {key: value for key, value in overrides.items() if "." in key}


def _options(session: dict[str, Any]) -> SessionOptions:
    run_dir = session.get("run_dir")
    return SessionOptions(
        run_dir=Path(str(run_dir)).resolve() if run_dir else new_run_dir(),
        method=str(session.get("method", "tmrl")),
        seed=_whole("seed", session.get("seed", 0)),
        label=str(session.get("label", "")),
        max_episodes=_whole("episodes", session.get("episodes", 0)),
    )


def _whole(key: str, value: object) -> int:
    if type(value) is not int:
        raise RigError(f"{key} is {value!r}; it has to be a whole number from 0, as in {key}:=3")
    return value


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
        overrides: Session keys and `part.key` parameters.

    Raises:
        RigError: A name is unknown, or the file cannot be used.
    """
    session, parameters = _split(overrides)
    unknown = sorted(set(session) - set(SESSION_KEYS))
    if unknown:
        raise RigError(
            f"unknown key {unknown[0]}; {nearest(unknown[0], [*SESSION_KEYS])} or part.key"
        )
    name = f"{rig_name}_sim" if session.get("sim") is True else rig_name
    options = _options(session)
    rig = options.apply(load(name).with_overrides(parameters))
    return Session(rig, options, select_parts(rig, session.get("parts", "all")))


def resolve(rig_name: str, overrides: dict[str, Any]) -> Session:
    """The session that a command line asks for, ready to be started; touches nothing on disk.

    Args:
        rig_name: Name of a rig, or path of a lab's own file.
        overrides: Session keys and `part.key` parameters.

    Raises:
        RigError: Something is unknown, missing or impossible; the text names all of it.
    """
    session = propose(rig_name, overrides)
    judge(session.rig, session.parts)
    return session


async def _keep_running(supervisor: Supervisor) -> int:
    interrupted = asyncio.Event()
    when_asked_to_end(asyncio.get_running_loop(), interrupted.set)
    await supervisor.start()
    waits = [asyncio.create_task(e.wait()) for e in (interrupted, supervisor.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await supervisor.stop()
    return 1 if supervisor.failed.is_set() else 0


def main(argv: list[str]) -> int:
    """Starts a rig and waits; the exit code of the command."""
    parser = argparse.ArgumentParser(
        prog="./tmrl up",
        description=_DESCRIPTION,
        epilog=_EPILOG,
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
        session = resolve(parsed.rig, parse_overrides(parsed.overrides))
        run_dir = prepare_run_dir(session.options.run_dir)
    except RigError as error:
        sys.stderr.write(f"tmrl up: {error}\n")
        return 2

    def on_event(event: ProcessEvent) -> None:
        sys.stdout.write(event.text + "\n")

    specs = describe(session.rig, run_dir, session.parts)
    supervisor = Supervisor(specs, run_dir / "logs", on_event)
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    sys.stdout.write(f"run directory {run_dir}, ROS domain {domain}; Ctrl-C ends it\n")
    return asyncio.run(_keep_running(supervisor))
