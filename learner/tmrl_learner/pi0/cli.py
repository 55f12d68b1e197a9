"""`./tmrl finetune-pi0`: from demonstrations in LeRobot's format to a pi0 that the server loads."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from tmrl_common.errors import ConfigError, TmrlError
from tmrl_learner.config import key_value
from tmrl_learner.pi0.config import DEFAULT_KIND, SIZES, FinetuneConfig, finetune_config
from tmrl_learner.pi0.finetune import FinetunePaths, finetune
from tmrl_learner.pi0.lerobot.columns import LAYOUTS
from tmrl_learner.pi0.processes import join_processes
from tmrl_learner.tracking import WANDB_MODES
from tmrl_policies.pi0.config import KINDS
from tmrl_policies.pi0.inputs.rigs import RIGS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    arguments = command_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = chosen_config(arguments)
        if arguments.weights is None and not arguments.from_random_weights:
            raise ConfigError(
                "no first weights; give --weights with a pi0 checkpoint, or --from-random-weights"
            )
        paths = FinetunePaths(
            dataset=arguments.dataset,
            out=arguments.out or Path("runs/finetune-pi0") / arguments.dataset.name,
            tokeniser=arguments.tokeniser,
            weights=arguments.weights,
            statistics=arguments.statistics,
        )
        with join_processes(arguments.device) as processes:
            if processes.first:
                sys.stdout.write(yaml.safe_dump(config.to_mapping(), sort_keys=False))
            checkpoint = finetune(config, paths, processes, arguments.wandb)
            if processes.first:
                tqdm.write(f"{checkpoint}: give this folder to the policy server")
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def command_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="tmrl finetune-pi0",
        description="Fine-tune a pi0 or pi0.5, with smoothed contexts or without, on "
        "demonstrations in LeRobot's format. "
        "Interrupted, the same command resumes from its last checkpoint. For several GPUs: "
        "torchrun --nproc-per-node N -m tmrl_learner finetune-pi0 ...",
    )
    add_dataset_arguments(parser)
    parser.add_argument(
        "--weights", type=Path, help="pi0 checkpoint to start from: folder or model.safetensors"
    )
    parser.add_argument(
        "--from-random-weights", action="store_true", help="start from nothing instead"
    )
    parser.add_argument(
        "--tokeniser", type=Path, required=True, help="PaliGemma's paligemma_tokenizer.model"
    )
    parser.add_argument(
        "--statistics",
        type=Path,
        help="norm_stats.json to use instead of the data set's own, such as that of the weights",
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the run (default: runs/finetune-pi0/DATASET)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu or cuda (default: auto, a GPU if there is one)"
    )
    parser.add_argument(
        "--wandb",
        choices=WANDB_MODES,
        default="offline",
        help="where wandb gets the metrics, besides metrics.csv (default: offline)",
    )
    return parser


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what says which data, of which rig, for which network."""
    parser.add_argument("dataset", type=Path, help="folder of the data set, with meta/info.json")
    parser.add_argument("--rig", required=True, help=f"one of {', '.join(RIGS)}")
    parser.add_argument(
        "--layout", default="", help=f"columns: one of {', '.join(LAYOUTS)} (default: the rig's)"
    )
    parser.add_argument(
        "--kind",
        default=DEFAULT_KIND,
        help=f"network: one of {', '.join(KINDS)} (default: {DEFAULT_KIND})",
    )
    parser.add_argument(
        "--model", default="full", help=f"sizes: one of {', '.join(SIZES)} (default: full)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting, e.g. trained=lora or optimiser.learning_rate=5e-5",
    )


def chosen_config(arguments: argparse.Namespace) -> FinetuneConfig:
    """The configuration that `add_dataset_arguments` asks for.

    Raises:
        ConfigError: A name or a setting is unknown, or does not fit.
    """
    return finetune_config(
        arguments.rig,
        kind=arguments.kind,
        model=arguments.model,
        layout=arguments.layout,
        overrides=dict(key_value(text) for text in arguments.set),
    )


if __name__ == "__main__":
    raise SystemExit(main())
