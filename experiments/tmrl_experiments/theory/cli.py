"""`python -m tmrl_experiments theory`: the unit-circle experiment, a figure and its numbers."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from tmrl_common.errors import ConfigError
from tmrl_experiments.theory.circle import CircleConfig
from tmrl_experiments.theory.experiment import describe, measure, over_seeds, train_policies
from tmrl_experiments.theory.figure import draw


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the experiment; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        config = CircleConfig(half_gap_deg=arguments.half_gap_deg, steps=arguments.steps)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # The networks are so small that a second thread only waits for the first.
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trained = [train_policies(config, seed) for seed in arguments.seeds]
    each = [
        measure(policies, config, seed)
        for policies, seed in zip(trained, arguments.seeds, strict=True)
    ]
    results = over_seeds(each)
    draw(trained[0], results, config, arguments.out / "circle.png")
    content = describe(config, arguments.seeds) | {"over_seeds": results}
    path = arguments.out / "circle.json"
    path.write_text(json.dumps(_rounded(content), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n{arguments.out / 'circle.png'}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = CircleConfig()
    parser = argparse.ArgumentParser("python -m tmrl_experiments theory", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/theory"), help="folder of circle.png and circle.json"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="the clouds show the first"
    )
    parser.add_argument(
        "--steps", type=int, default=defaults.steps, help="gradient steps of each policy"
    )
    parser.add_argument(
        "--half-gap-deg",
        type=float,
        default=defaults.half_gap_deg,
        help="angles nearer to 0 than this are not in the data",
    )
    return parser


def _rounded(value: object) -> object:
    """Five digits are more than the samples support."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
