"""`./tmrl up RIG`: the processes of a rig, where `ros2 launch` is missing, or just as well."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tmrl_bringup.options import SessionOptions
from tmrl_bringup.processes import describe
from tmrl_bringup.rig import RigError, available, load, parse_overrides
from tmrl_bringup.rundir import prepare_run_dir
from tmrl_bringup.supervisor import ProcessEvent, Supervisor

_DESCRIPTION = """\
Starts the processes of a rig and keeps them running until Ctrl-C: the same description as
`ros2 launch tmrl_bringup <rig>.launch.py`. The session starts when a person asks for it:
ros2 service call /widowx/operator/start std_srvs/srv/Trigger"""

_EPILOG = """\
keys:
  sim:=true|false        simulated arm (RIG_sim) or hardware
  method:=tmrl           tmrl, dsrl or base
  label:=auto            auto, or manual: a person labels through operator/label
  seed:=0  episodes:=0  run_dir:=DIR  server:=true|false (false: it runs elsewhere)
  PART.KEY:=VALUE        any parameter of the rig's file, e.g. controller.sigma_cap:=0.4"""


def _split(overrides: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Session keys and part.key parameters."""
    session = {key: value for key, value in overrides.items() if "." not in key}
    return session, {key: value for key, value in overrides.items() if "." in key}


def _options(session: dict[str, Any]) -> SessionOptions:
    known = {"sim", "method", "label", "seed", "episodes", "run_dir", "server"}
    unknown = sorted(set(session) - known)
    if unknown:
        raise RigError(f"unknown key {unknown[0]}; valid: {', '.join(sorted(known))} or part.key")
    run_dir = session.get("run_dir")
    return SessionOptions(
        run_dir=prepare_run_dir(Path(str(run_dir)) if run_dir else None),
        method=str(session.get("method", "tmrl")),
        seed=int(session.get("seed", 0)),
        label=str(session.get("label", "auto")),
        max_episodes=int(session.get("episodes", 0)),
    )


async def _keep_running(supervisor: Supervisor) -> int:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
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
    parser.add_argument("rig", metavar="RIG", help=f"one of: {', '.join(available())}")
    parser.add_argument("overrides", nargs="*", metavar="KEY:=VALUE")
    parsed = parser.parse_args(argv)
    try:
        session, parameters = _split(parse_overrides(parsed.overrides))
        name = f"{parsed.rig}_sim" if session.get("sim") is True else parsed.rig
        rig = load(name)
        options = _options(session)
        rig = options.apply(rig.with_overrides(parameters))
    except RigError as error:
        sys.stderr.write(f"tmrl up: {error}\n")
        return 2

    def on_event(event: ProcessEvent) -> None:
        sys.stdout.write(event.text + "\n")

    specs = describe(rig, options.run_dir, with_server=bool(session.get("server", True)))
    supervisor = Supervisor(specs, options.run_dir / "logs", on_event)
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    sys.stdout.write(f"run directory {options.run_dir}, ROS domain {domain}; Ctrl-C ends it\n")
    return asyncio.run(_keep_running(supervisor))
