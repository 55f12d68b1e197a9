"""`python -m tmrl_learner VERB ...`: what the learner does without ROS and without ./tmrl."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tmrl_common.config import nearest_name


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Attributes:
        usage: Its arguments in short.
        summary: What it does, one line.
        module: Module with `main(argv) -> int`, imported when the verb is called.
    """

    usage: str
    summary: str
    module: str


VERBS = {
    "pretrain": Verb("RIG", "train the base policies of a rig", "tmrl_learner.pretrain.cli"),
    "finetune": Verb(
        "--checkpoint DIR",
        "fine-tune in simulation, one process",
        "tmrl_learner.inprocess.__main__",
    ),
    "finetune-pi0": Verb(
        "DATASET --rig RIG", "fine-tune pi0 on demonstrations", "tmrl_learner.pi0.cli"
    ),
    "pi0-statistics": Verb(
        "DATASET --rig RIG", "normalisation of a data set", "tmrl_learner.pi0.statistics_cli"
    ),
    "config": Verb(
        "[PRESET]", "print a resolved configuration as YAML", "tmrl_learner.print_config"
    ),
    "ogbench": Verb(
        "BENCHMARK [--method M]", "fine-tune on OGBench's tasks", "tmrl_learner.ogbench.cli"
    ),
    "theory": Verb("[--out DIR]", "the paper's unit-circle experiment", "tmrl_learner.theory.cli"),
}


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
        prog="python -m tmrl_learner",
        usage="python -m tmrl_learner VERB [ARGUMENTS]",
        description="Pre-training, fine-tuning and experiments without ROS.",
        epilog="verbs:\n" + "\n".join(lines) + "\n\n'VERB --help' says more about one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", metavar="VERB", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parsed = parser.parse_args(argv or ["--help"])
    if parsed.verb not in VERBS:
        parser.error(f"no verb '{parsed.verb}'; {nearest_name(parsed.verb, list(VERBS))}")
    return parsed


def main(argv: Sequence[str]) -> int:
    """Carries out one verb.

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
