"""Does it help to take the arm over? Fine-tuning with and without a scripted person, per seed.

The person watches each of the first 15 episodes for six chunks and then drives the arm until the
task is solved. Three ways: without the person; with the person, whose driving is not learned from;
with the person, and the learner finds the latents that lead to what the person did
(`tmrl_learner.hindsight`). Every run is one of `python -m tmrl_experiments finetune`. An episode in
which the person drove does not count as solved. Sigma is at most 0.5, as in the presets for robots:
where the marginal is allowed, the demo's task is explored without help.

Ratios compare medians over the seeds; a run that never reaches 90 % counts with one episode more
than its budget. Interrupted, the same command continues, and commands with other seeds may work
side by side.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tmrl_common.storage import prepare_folder
from tmrl_experiments.inprocess import cli
from tmrl_experiments.inprocess.run import run as finetune
from tmrl_learner.config import key_value

_CANDIDATES = 256
_WAYS = {"without": (0, 0), "not_learned_from": (15, 0), "with": (15, _CANDIDATES)}
"""Way: episodes in which the person helps, and candidates of the search for latents."""


def run(argv: list[str]) -> dict[str, Any]:
    """Runs what has no report yet, and compares."""
    options = _parser().parse_args(argv)
    prepare_folder(options.work)
    reports: dict[str, list[dict[str, Any]]] = {
        way: [_report(options, seed, way) for seed in options.seeds] for way in options.ways
    }
    figures: dict[str, Any] = {"sigma_max": options.sigma_max, "seeds": options.seeds}
    medians = dict[str, float]()
    for way, runs in reports.items():
        medians[way] = _median(runs)
        figures[f"episodes_to_90_{way}"] = [r["episodes_to_90"] for r in runs]
        figures[f"success_last_20_{way}"] = [r["success_last_20"] for r in runs]
        figures[f"helped_chunks_{way}"] = [r["helped_chunks"] for r in runs]
        figures[f"median_episodes_to_90_{way}"] = medians[way]
    ratios = {
        f"episodes_to_90_without_vs_{way}": medians["without"] / median
        for way, median in medians.items()
        if way != "without" and "without" in medians
    }
    return {"ratios": ratios, "figures": figures}


def _report(options: argparse.Namespace, seed: int, way: str) -> dict[str, Any]:
    path: Path = options.work / f"sigma{options.sigma_max:g}.{way}.seed{seed}.json"
    if not path.exists():
        helped, candidates = _WAYS[way]
        words = [f"--checkpoint={options.policies / 'csp'}", f"--seed={seed}", f"--json={path}"]
        words += [f"--episodes={options.episodes}", f"--helped-episodes={helped}"]
        words += [f"--set=agent.sigma_max={options.sigma_max}"]
        words += [f"--set=hindsight.candidates={candidates}"]
        arguments = cli.parser().parse_args(words)
        finetune(arguments, dict(key_value(text) for text in arguments.set))
    return json.loads(path.read_text(encoding="utf-8"))


def _median(reports: list[dict[str, Any]]) -> float:
    hits = (r["episodes_to_90"] or r["episodes"] + 1 for r in reports)
    return float(np.median(list(hits)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./tmrl bench interventions", description=__doc__)
    add = parser.add_argument
    add("--ways", nargs="+", choices=_WAYS, default=list(_WAYS), help="default: all three")
    add("--sigma-max", type=float, default=0.5, metavar="X", help="of the actor (default: 0.5)")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], metavar="S")
    add("--episodes", type=int, default=150, help="of every run (default: 150)")
    add("--work", type=Path, default=Path("runs/interventions"), help="folder for the reports")
    add("--policies", type=Path, default=Path("policies/checkpoints/widowx_sim"))
    return parser
