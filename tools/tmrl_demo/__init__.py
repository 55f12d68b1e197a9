"""`./tmrl demo`: the whole stack on one machine, with a live view and a report."""

import sys

from tmrl_bringup.rig import RigError
from tmrl_demo.options import parse
from tmrl_demo.session import run_demo


def main(argv: list[str]) -> int:
    """Runs the demo; the exit code of the command.

    Args:
        argv: Arguments after `./tmrl demo`.
    """
    options = parse(argv)
    try:
        return run_demo(options)
    except RigError as error:
        sys.stderr.write(f"tmrl demo: {error}\n")
        return 2
