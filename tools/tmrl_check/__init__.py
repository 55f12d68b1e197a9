"""`./tmrl check CHECKPOINT`: which of checkpoint, rig and data set fit, before a robot is on."""

import argparse
import logging
import sys
from pathlib import Path

from tmrl_bringup.rig import RigError, available
from tmrl_check.report import check, print_findings
from tmrl_common.errors import ConfigError, TmrlError
from tmrl_policies.pi0.fitness import Verdict
from tmrl_policy_server.config import assigned

_DESCRIPTION = """\
Looks at a checkpoint as the policy server and finetune-pi0 do, without its network's memory:
sizes, kind, normalised prefix, statistics, units by their range, tokeniser. With --rig also
whether cameras, rate, action space, chunks, state and prompt are those of the rig; with --data
whether the data set's columns, rate, ranges and instructions are. Exit code 0 where everything
fits (what is only to be looked at does not count), 1 where something does not, 2 where the
command line is wrong."""


def main(argv: list[str]) -> int:
    """Prints what fits and what does not.

    Returns:
        0 where everything fits, 1 where something does not, 2 where the command line is wrong.
    """
    parsed = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        for path in (parsed.checkpoint, parsed.data):
            if path is not None and not path.is_dir():
                raise ConfigError(f"there is no folder at {path}")
        settings = dict(map(assigned, parsed.set))
        findings = check(parsed.checkpoint, parsed.rig, parsed.data, settings)
    except (TmrlError, RigError) as error:
        sys.stderr.write(f"tmrl check: {error}\n")
        return 2
    print_findings(findings)
    return int(any(finding.verdict is Verdict.DOES_NOT_FIT for finding in findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tmrl check",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rigs = f"{', '.join(available())}, or the path of your own file (*.yaml)"
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="its folder")
    parser.add_argument("--rig", help=f"one of {rigs}")
    parser.add_argument("--data", type=Path, help="folder of a data set in LeRobot's format")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the policy server, such as kind=cspi0, which wins over the rig's",
    )
    return parser
