"""Success@K before reinforcement on the unfamiliar tasks of OGBench (paper, figure 6).

Records data and pre-trains policies first where that was not done before; both are kept in --work,
and an interrupted run continues.
"""

import argparse
from pathlib import Path
from typing import Any

from tmrl_experiments.ogbench.benchmarks import BENCHMARKS
from tmrl_experiments.ogbench.coverage_study import contenders, draw, measure


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; `csp_minus_...` compare the best sigma of CSP with a baseline at K = 10."""
    options = _parser().parse_args(argv)
    studies = {
        name: measure(
            contenders(
                name,
                options.starts,
                options.rollouts,
                options.pretrain_steps,
                options.seed,
                options.work,
            ),
            options.workers,
            options.ray,
        )
        for name in options.benchmarks
    }
    if options.png is not None:
        draw(options.png, studies)
    figures: dict[str, float] = {
        "starts": options.starts,
        "rollouts_per_start": options.rollouts,
        "pretrain_steps": options.pretrain_steps,
    }
    ratios: dict[str, float] = {}
    at = min(10, options.rollouts) - 1
    for name, curves in studies.items():
        best = max(float(c.mean[at]) for label, c in curves.items() if label.startswith("csp"))
        figures[f"{name}_best_csp_success_at_10"] = best
        for baseline in ("bc", "postbc"):
            value = float(curves[baseline].mean[at])
            figures[f"{name}_{baseline}_success_at_10"] = value
            if value > 0.0:
                ratios[f"{name}_csp_vs_{baseline}_success_at_10"] = best / value
    return {
        "ratios": ratios,
        "figures": figures,
        "success_at_k": _table(studies, "mean"),
        "interval_low": _table(studies, "low"),
        "interval_high": _table(studies, "high"),
    }


def _table(studies: dict[str, Any], column: str) -> dict[str, dict[str, list[float]]]:
    return {
        name: {label: getattr(curve, column).tolist() for label, curve in curves.items()}
        for name, curves in studies.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./tmrl bench success-at-k", description=__doc__)
    parser.add_argument("--benchmarks", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--starts", type=int, default=30, help="unfamiliar starts (default: 30)")
    parser.add_argument("--rollouts", type=int, default=20, help="per start (default: 20)")
    parser.add_argument("--pretrain-steps", type=int, default=20_000, help="per policy")
    parser.add_argument("--seed", type=int, default=0, help="of data and policies")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--ray", metavar="ADDRESS", help="use a Ray cluster instead")
    parser.add_argument("--work", type=Path, default=Path("runs/ogbench"), help="folder to keep")
    parser.add_argument("--png", type=Path, metavar="FILE", help="write the figure to FILE")
    return parser
