"""`python -m tmrl_experiments VERB ...`: learning and measuring in one process, without ROS."""

import sys
from collections.abc import Sequence

from tmrl_common import verbs
from tmrl_common.verbs import Verb

VERBS = {
    "pretrain": Verb("RIG", "train the base policies of a rig", "tmrl_experiments.widowx.pretrain"),
    "finetune": Verb(
        "--checkpoint DIR", "fine-tune in simulation, one process", "tmrl_experiments.inprocess.cli"
    ),
    "ablation": Verb(
        "[--rows ROW ...]",
        "the demo's methods side by side, one process",
        "tmrl_experiments.inprocess.ablation",
    ),
    "ogbench": Verb(
        "BENCHMARK [--method M]", "fine-tune on OGBench's tasks", "tmrl_experiments.ogbench.cli"
    ),
    "theory": Verb(
        "[--out DIR]", "the paper's unit-circle experiment", "tmrl_experiments.theory.cli"
    ),
    "spectrum": Verb(
        "[--out FILE]", "a page with rollouts over sigma", "tmrl_experiments.spectrum.cli"
    ),
}


def main(argv: Sequence[str]) -> int:
    """Carries out one verb and returns the exit status."""
    return verbs.run(
        "python -m tmrl_experiments",
        "Pre-training, fine-tuning and the paper's experiments, in one process.",
        VERBS,
        argv,
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
