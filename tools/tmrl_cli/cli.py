"""The command line: which verbs there are, and where each is carried out.

This module is read before the environment exists, so it imports the standard library only and
looks up the module of a verb when the verb is called.
"""

import argparse
import difflib
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_HOST = ""


@dataclass(frozen=True)
class Verb:
    """One verb of the command line."""

    usage: str
    summary: str
    module: str
    """Module with `main(argv) -> int`; empty where the bootstrap does it before entering."""


VERBS = {
    "setup": Verb("", "make the environment and build the workspace", _HOST),
    "demo": Verb("[OPTIONS]", "fine-tune a simulated WidowX, live", "tmrl_bringup.demo"),
    "up": Verb("RIG [KEY:=VALUE ...]", "start the processes of a rig", "tmrl_bringup.up"),
    "pretrain": Verb("RIG", "train the base policies of a rig", "tmrl_learner.pretrain.cli"),
    "finetune-pi0": Verb(
        "DATASET --rig RIG", "fine-tune pi0 on demonstrations", "tmrl_learner.pi0.cli"
    ),
    "pi0-statistics": Verb(
        "DATASET --rig RIG", "normalisation of a data set", "tmrl_learner.pi0.statistics_cli"
    ),
    "test": Verb("[fast|all]", "lint, check types, run the tests", "tmrl_bringup.checks"),
    "bench": Verb("NAME [--json FILE]", "run a benchmark", "tmrl_bringup.bench"),
    "doctor": Verb(
        "[RIG]", "say what works on this machine or rig, what does not", "tmrl_bringup.doctor"
    ),
    "call": Verb("SERVICE [FIELD:=VALUE ...]", "ask a running rig", "tmrl_bringup.call"),
    "keys": Verb("FILE", "make the keys of a machine", "tmrl_bringup.keys"),
    "env": Verb("", "print the environment as shell commands", _HOST),
    "run": Verb("COMMAND [ARG ...]", "run a command in the environment", _HOST),
}

_EXAMPLES = """\
examples:
  ./tmrl demo                         the whole stack on this machine, with a report at the end
  ./tmrl demo --method dsrl --seed 3  the same with another algorithm
  ./tmrl up widowx sim:=true          only the processes, without the live view
  ./tmrl doctor my_widowx.yaml        whether your own arm, cameras and server are fit
  ./tmrl test fast                    what to run before each commit
  ./tmrl run python -c 'import rclpy' anything else, inside the environment
  eval "$(./tmrl env)"                enter the environment with this shell

Each verb first sets up what it needs; './tmrl VERB --help' says more about one.
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parses the verb; its own arguments are left to the verb.

    Args:
        argv: Arguments after the program's name.

    Returns:
        Namespace with `verb` and `arguments`.

    Raises:
        SystemExit: Help was asked for (0), or there is no such verb (2).
    """
    lines = [f"  {name + ' ' + verb.usage:28}{verb.summary}" for name, verb in VERBS.items()]
    parser = argparse.ArgumentParser(
        prog="tmrl",
        usage="tmrl VERB [ARGUMENTS]",
        description="Reinforcement fine-tuning of robot policies on real arms, over ROS 2.",
        epilog="verbs:\n" + "\n".join(lines) + "\n\n" + _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parsed = parser.parse_args(argv or ["--help"])
    if parsed.verb not in VERBS:
        nearest = difflib.get_close_matches(parsed.verb, VERBS, n=1, cutoff=0.5)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        parser.error(f"no verb '{parsed.verb}'{hint} (verbs: {', '.join(VERBS)})")
    return parsed


def main(argv: Sequence[str]) -> int:
    """Carries out one verb; runs inside the environment.

    Args:
        argv: Arguments after the program's name.

    Returns:
        The exit status.
    """
    parsed = parse(argv)
    carry_out: Callable[[list[str]], int]
    carry_out = importlib.import_module(VERBS[parsed.verb].module).main
    return carry_out(parsed.arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
