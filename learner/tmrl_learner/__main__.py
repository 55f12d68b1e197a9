"""`python -m tmrl_learner VERB ...`: what the learner does without ROS and without ./tmrl."""

import sys
from collections.abc import Sequence

from tmrl_common import verbs
from tmrl_common.verbs import Verb

VERBS = {
    "finetune-pi0": Verb(
        "DATASET --rig RIG", "fine-tune pi0 on demonstrations", "tmrl_learner.pi0.cli"
    ),
    "pi0-statistics": Verb(
        "DATASET --rig RIG", "normalisation of a data set", "tmrl_learner.pi0.statistics_cli"
    ),
    "config": Verb(
        "[PRESET]", "print a resolved configuration as YAML", "tmrl_learner.print_config"
    ),
}


def main(argv: Sequence[str]) -> int:
    """Carries out one verb and returns the exit status."""
    return verbs.run(
        "python -m tmrl_learner", "Fine-tuning of pi0 and configurations, without ROS.", VERBS, argv
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
