"""`./tmrl pi0-statistics`: normalisation statistics of a data set, as openpi's norm_stats.json."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from tmrl_common.errors import TmrlError
from tmrl_learner.pi0.cli import add_dataset_arguments, chosen_config
from tmrl_learner.pi0.demonstrations import open_demonstrations
from tmrl_learner.pi0.statistics import compute_statistics
from tmrl_policies.pi0.inputs.rigs import rig_named
from tmrl_policies.pi0.inputs.statistics import write_statistics


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = chosen_config(arguments)
        rig = rig_named(config.rig)
        demonstrations = open_demonstrations(
            arguments.dataset, config.columns, rig, rate_hz=config.data_rate_hz
        )
        statistics = compute_statistics(demonstrations, config.model.horizon)
        tqdm.write(f"{write_statistics(arguments.out, config.rig, statistics)}")
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tmrl pi0-statistics",
        description="Compute the normalisation statistics of a data set, without decoding an "
        "image. finetune-pi0 does it by itself where a run has none.",
    )
    add_dataset_arguments(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets assets/RIG/norm_stats.json"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
