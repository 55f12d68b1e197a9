"""The command line: which verbs there are, and where each is carried out.

This module is read before the environment exists: it needs the standard library only.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from typing import TextIO

from tmrl_common import verbs
from tmrl_common.verbs import Verb

_HOST = ""
"""Module of the verbs that the bootstrap carries out before it enters the environment."""

VERBS = {
    "setup": Verb("", "make the environment and build the workspace", _HOST),
    "demo": Verb("[OPTIONS]", "fine-tune a simulated WidowX, live", "tmrl_demo"),
    "up": Verb("RIG [KEY:=VALUE ...]", "start the processes of a rig", "tmrl_bringup.up"),
    "pretrain": Verb("RIG", "train the base policies of a rig", "tmrl_experiments.widowx.pretrain"),
    "finetune-pi0": Verb(
        "DATASET --rig RIG", "fine-tune pi0 on demonstrations", "tmrl_learner.pi0.cli"
    ),
    "pi0-statistics": Verb(
        "DATASET --rig RIG", "normalisation of a data set", "tmrl_learner.pi0.statistics_cli"
    ),
    "test": Verb("[fast|all|long]", "lint, check types, run the tests", "tmrl_cli.checks"),
    "bench": Verb("NAME [--json FILE]", "run a benchmark", "tmrl_cli.bench"),
    "check": Verb(
        "CHECKPOINT [--rig RIG] [--data DATASET]", "say what of them fits together", "tmrl_check"
    ),
    "doctor": Verb("[RIG]", "say what works on this machine or rig, what does not", "tmrl_doctor"),
    "probe": Verb(
        "RIG [--each N]", "say what can be learned, before you try", "tmrl_run.probe.cli"
    ),
    "call": Verb("SERVICE [FIELD:=VALUE ...]", "ask a running rig", "tmrl_cli.call"),
    "export": Verb("lerobot RUN OUT", "make a data set of a run", "tmrl_run.lerobot.cli"),
    "import": Verb(
        "lerobot DATA_SET OUT --rig RIG",
        "make offline data of demonstrations",
        "tmrl_run.importing.cli",
    ),
    "report": Verb("RUN [--out FILE]", "show a run on one page", "tmrl_run.report.cli"),
    "journal": Verb("recover RUN", "give a journal back what it lost", "tmrl_cli.journal"),
    "keys": Verb("FILE", "make the keys of a machine", "tmrl_cli.keys"),
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
    description = "Reinforcement fine-tuning of robot policies on real arms, over ROS 2."
    return verbs.parse("tmrl", description, VERBS, argv, _EXAMPLES)


def main(argv: Sequence[str]) -> int:
    """Carries out one verb; runs inside the environment.

    Args:
        argv: Arguments after the program's name.

    Returns:
        The exit status.
    """
    print_anything()
    parsed = parse(argv)
    return verbs.call(f"tmrl {parsed.verb}", VERBS[parsed.verb], parsed.arguments)


def print_anything() -> None:
    """Lets a terminal of another encoding show '?' for what it lacks, instead of an error."""
    stream: TextIO = sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
