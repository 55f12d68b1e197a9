"""Learning curves of TMRL and its baselines on OGBench's unfamiliar tasks (paper, figure 5).

Hours of work; interrupted, the same command continues. With --only-report nothing is run: the
figures of what was run so far are printed. With --only-speed none of that is looked at. The ratio
`env_steps_per_cpu_s_vs_before`, in every report, compares the maze's environments side by side with
one environment at a time, both learning; docs/results/ogbench.md says what makes the difference.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tmrl_experiments.ogbench.benchmarks import BENCHMARKS
from tmrl_experiments.ogbench.curve_study import curve, draw, final_success, run_all
from tmrl_experiments.ogbench.curves import FinishedEpisode, read_episodes
from tmrl_experiments.ogbench.experiment import Experiment
from tmrl_experiments.ogbench.methods import METHODS
from tmrl_experiments.ogbench.throughput import steps_per_cpu_s

Runs = dict[str, dict[str, dict[int, list[FinishedEpisode]]]]


def run(argv: list[str]) -> dict[str, Any]:
    """Runs and reports; other ratios compare TMRL's final success with the best baseline's."""
    options = _parser().parse_args(argv)
    torch.set_num_threads(1)
    speed = steps_per_cpu_s(options.speed_steps)
    report = {"ratios": {}, "figures": {}} if options.only_speed else _curves(options)
    report["figures"] |= speed
    report["ratios"]["env_steps_per_cpu_s_vs_before"] = (
        speed["env_steps_per_cpu_s"] / speed["env_steps_per_cpu_s_one_at_a_time"]
    )
    return report


def _curves(options: argparse.Namespace) -> dict[str, Any]:
    budgets = dict(zip(BENCHMARKS, options.env_steps, strict=True))
    experiments = [
        Experiment(where, how, seed, budgets[where], options.pretrain_steps)
        for seed in options.seeds
        for where in options.benchmarks
        for how in options.methods
    ]
    if not options.only_report:
        run_all(experiments, options.work, options.workers, options.ray)
    runs: Runs = {}
    for e in experiments:
        episodes = read_episodes(e.folder(options.work))
        runs.setdefault(e.benchmark, {}).setdefault(e.method, {})[e.seed] = episodes
    if options.png is not None:
        curves = {
            where: {
                how: [curve(episodes, budgets[where]) for episodes in seeds.values()]
                for how, seeds in methods.items()
            }
            for where, methods in runs.items()
        }
        draw(options.png, curves)
    return _report(runs, budgets)


def _report(runs: Runs, budgets: dict[str, int]) -> dict[str, Any]:
    ratios: dict[str, float] = {}
    figures: dict[str, float] = {}
    per_seed: dict[str, dict[str, dict[str, float]]] = {}
    curves: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for where, methods in runs.items():
        budget = budgets[where]
        figures[f"{where}_env_steps"] = budget
        for how, seeds in methods.items():
            finals = {str(s): final_success(episodes, budget) for s, episodes in seeds.items()}
            per_seed.setdefault(where, {})[how] = finals
            figures[f"{where}_{how}_final_success"] = float(np.mean(list(finals.values())))
            figures[f"{where}_{how}_wall_minutes"] = sum(
                episodes[-1].wall_s for episodes in seeds.values() if episodes
            ) / (60.0 * len(seeds))
            curves.setdefault(where, {})[how] = {
                str(s): _listed(curve(episodes, budget).success) for s, episodes in seeds.items()
            }
        others = [figures[f"{where}_{how}_final_success"] for how in methods if how != "tmrl"]
        if "tmrl" in methods and others and max(others) > 0.0:
            ours = figures[f"{where}_tmrl_final_success"]
            ratios[f"{where}_tmrl_vs_best_other_final_success"] = ours / max(others)
    return {"ratios": ratios, "figures": figures, "final_success": per_seed, "curves": curves}


def _listed(values: np.ndarray) -> list[float | None]:
    """JSON has no NaN: a bin in which no episode ended is null."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./tmrl bench ogbench", description=__doc__)
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--env-steps",
        nargs=len(BENCHMARKS),
        type=int,
        default=[300_000, 100_000],
        metavar="N",
        help=f"budget of each run on {' and '.join(BENCHMARKS)}",
    )
    parser.add_argument("--pretrain-steps", type=int, default=20_000, help="per base policy")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--ray", metavar="ADDRESS", help="use a Ray cluster instead")
    parser.add_argument("--work", type=Path, default=Path("runs/ogbench"), help="folder to keep")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write the figure to FILE")
    parser.add_argument(
        "--speed-steps", type=int, default=50_000, metavar="N", help="control steps to time"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-report", action="store_true", help="run nothing")
    only.add_argument("--only-speed", action="store_true", help="measure the speed alone")
    return parser
