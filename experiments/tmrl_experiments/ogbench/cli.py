"""`python -m tmrl_experiments ogbench`: one method, one seed, one learning curve."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from tmrl_common.errors import TmrlError
from tmrl_common.storage import prepare_folder
from tmrl_experiments.ogbench.benchmarks import BENCHMARKS
from tmrl_experiments.ogbench.experiment import Experiment, run_experiment
from tmrl_experiments.ogbench.methods import METHODS
from tmrl_learner.tracking import WANDB_MODES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    options = _parser().parse_args(argv)
    experiment = Experiment(
        options.benchmark, options.method, options.seed, options.env_steps, options.pretrain_steps
    )
    prepare_folder(options.work)
    with tqdm(total=options.env_steps, desc=experiment.name, unit="step") as progress:
        try:
            run = run_experiment(experiment, options.work, progress.update, options.wandb)
        except TmrlError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    sys.stdout.write(
        f"{experiment.folder(options.work)}: success of the last 30 episodes "
        f"{run.success_recent:.2f}\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_experiments ogbench",
        description="Fine-tune on OGBench's unfamiliar tasks. Data and base policy are made first "
        "where they are missing; interrupted, the same command continues. "
        "All methods and seeds at once: ./tmrl bench ogbench.",
    )
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--method", choices=METHODS, default="tmrl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--env-steps", type=int, default=100_000, help="budget of control steps")
    parser.add_argument("--pretrain-steps", type=int, default=20_000, help="of the base policy")
    parser.add_argument("--wandb", choices=WANDB_MODES, default="offline")
    parser.add_argument("--work", type=Path, default=Path("runs/ogbench"), help="folder to keep")
    return parser
