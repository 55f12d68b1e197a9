"""`./tmrl doctor [RIG]`: what works and what does not, with the remedy. It never moves an arm."""

import argparse
import os
import sys

from rich.console import Console

from tmrl_bringup.rig import RigError, available, parse_overrides
from tmrl_doctor.finding import Check, Finding
from tmrl_doctor.machine import MACHINE_CHECKS
from tmrl_doctor.running import run_checks
from tmrl_doctor.table import exit_code, print_table

_DESCRIPTION = """\
Without RIG: whether this machine can run the demo. With RIG: whether arm, cameras, clocks, network,
policy server and disk are fit for a session with that rig; the arm is not moved, and a session that
runs is not disturbed. Exit code 0 when nothing failed (warnings do not), 1 otherwise."""

_WIDTH_IN_FILES = 120


def main(argv: list[str]) -> int:
    """Runs every check and prints the table.

    Returns:
        0 when nothing failed, 1 otherwise, 2 where the command line is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="./tmrl doctor",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rigs = f"{', '.join(available())}, or the path of your own file (*.yaml)"
    parser.add_argument("rig", metavar="RIG", nargs="?", help=rigs)
    parser.add_argument("overrides", nargs="*", metavar="KEY:=VALUE", help="as of ./tmrl up")
    parsed = parser.parse_args(argv)
    if parsed.rig is None:
        return _report(list(MACHINE_CHECKS), run_checks(MACHINE_CHECKS))
    # Only here: the demo's checks are to work where a robot's packages do not.
    from tmrl_bringup.up import propose
    from tmrl_doctor.rig import RigChecks
    from tmrl_doctor.topic_listener import TopicListener

    try:
        session = propose(parsed.rig, parse_overrides(parsed.overrides))
    except RigError as error:
        sys.stderr.write(f"tmrl doctor: {error}\n")
        return 2
    with TopicListener(f"/{session.rig.robot}") as listener:
        checks = RigChecks(session, listener).all()
        code = _report(checks, run_checks(checks))
    return code


def _report(checks: list[Check], findings: list[Finding]) -> int:
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_IN_FILES
    print_table(checks, findings, console)
    code = exit_code(findings)
    if any(finding.detail.startswith("no result within") for finding in findings):
        # A check that hangs sits in some vendor's library; waiting for its thread would hang, too.
        sys.stdout.flush()
        os._exit(code)
    return code
