"""`python -m tmrl_experiments spectrum`: the page on which a slider moves sigma."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from tqdm import tqdm

from tmrl_common.errors import TmrlError
from tmrl_common.storage import prepare_folder
from tmrl_experiments.ogbench.benchmarks import CUBE_SINGLE
from tmrl_experiments.ogbench.pretraining import pretrained
from tmrl_experiments.spectrum import cube, widowx
from tmrl_experiments.spectrum.page import write_page
from tmrl_experiments.spectrum.panel import SIGMAS, Panel
from tmrl_learner.pretrain.config import PretrainConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Rolls out, writes the page and returns the exit status."""
    options = _parser().parse_args(argv)
    # The networks are so small that a second thread only waits for the first.
    torch.set_num_threads(1)
    prepare_folder(options.out.parent)
    try:
        write_page(options.out, _panels(options), _command(options))
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{options.out}\n")
    return 0


def _panels(options: argparse.Namespace) -> list[Panel]:
    rollouts: int = options.rollouts
    panels: list[Panel] = []
    with _progress("widowx", rollouts) as bar:
        panels.append(widowx.panel(options.checkpoint, rollouts, options.seed, bar.update))
    if not options.without_cube:
        prepare_folder(options.work)
        config = PretrainConfig("csp", steps=options.pretrain_steps)
        policy = pretrained(CUBE_SINGLE, config, options.work)
        with _progress("cube", rollouts) as bar:
            panels.append(cube.panel(policy, rollouts, options.seed, bar.update))
    return panels


def _progress(name: str, rollouts: int) -> "tqdm[NoReturn]":
    return tqdm(total=len(SIGMAS) * rollouts, desc=name, unit="rollout")


def _command(options: argparse.Namespace) -> str:
    given = f"--rollouts {options.rollouts} --seed {options.seed}"
    return f"./tmrl run python -m tmrl_experiments spectrum {given}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tmrl_experiments spectrum",
        description="Roll a frozen context-smoothed policy out at every sigma and write one HTML "
        "page with a slider. The cube's data and policy are made first where they are missing.",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/sigma.html"), help="page to write")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("policies/checkpoints/widowx_sim/csp"),
        help="context-smoothed policy of the cell",
    )
    parser.add_argument("--rollouts", type=_count, default=24, help="per sigma and task")
    parser.add_argument("--seed", type=int, default=0, help="of layouts and noise")
    parser.add_argument("--without-cube", action="store_true", help="only the WidowX cell")
    parser.add_argument(
        "--pretrain-steps", type=_count, default=20_000, help="of the cube's base policy"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/ogbench"), help="folder of OGBench's experiments"
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value
