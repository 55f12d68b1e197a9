"""Learning curves of all methods on the benchmarks, over seeds, on the same budget of steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tmrl_common.types import FloatArray
from tmrl_experiments.fan_out import fan_out
from tmrl_experiments.ogbench.benchmarks import benchmark
from tmrl_experiments.ogbench.curves import FinishedEpisode, steps_made
from tmrl_experiments.ogbench.experiment import Experiment, run_experiment
from tmrl_experiments.ogbench.methods import method
from tmrl_experiments.ogbench.pretraining import pretrained
from tmrl_learner.pretrain.config import PretrainConfig

BINS = 20
_TICK_S = 5.0
"""The bar reads every run's episodes; more often, that takes the processes' time."""


@dataclass(frozen=True)
class Curve:
    """Success over the budget, of one run or of the mean over seeds.

    Attributes:
        env_steps: End of each bin, (bins,).
        success: Share of the episodes that ended within the bin, (bins,); NaN where none did.
        sigma: Mean context time of these episodes, (bins,).
    """

    env_steps: FloatArray
    success: FloatArray
    sigma: FloatArray


def run_all(experiments: Sequence[Experiment], work: Path, workers: int, ray: str | None) -> None:
    """Runs what is not finished yet, with one bar over the steps of all.

    Args:
        experiments: What to run.
        work: Folder of all experiments.
        workers: Processes side by side.
        ray: Address of a Ray cluster instead; `work` must be shared then.
    """
    bases = {
        (e.benchmark, method(e.method).base, e.pretrain_seed, e.pretrain_steps) for e in experiments
    }
    for where, base, seed, steps in sorted(bases):
        # Not in the workers: two of them would train the same policy at the same time.
        pretrained(benchmark(where), PretrainConfig(base, seed=seed, steps=steps), work)
    budget = sum(e.env_steps for e in experiments)
    with tqdm(total=budget, desc="environment steps", unit="step", unit_scale=True) as bar:

        def show() -> None:
            bar.n = sum(min(steps_made(e.folder(work)), e.env_steps) for e in experiments)
            bar.refresh()

        show()
        todo = [e for e in experiments if steps_made(e.folder(work)) < e.env_steps]
        for finished, _ in fan_out(partial(_run, work), todo, workers, ray, show, _TICK_S):
            tqdm.write(f"{finished.name}: done")
        show()


def _run(work: Path, experiment: Experiment) -> None:
    run_experiment(experiment, work)


def curve(episodes: Sequence[FinishedEpisode], budget: int) -> Curve:
    """Bins the episodes of one run by the step at which they ended."""
    edges = np.linspace(0.0, budget, BINS + 1)
    steps = np.array([e.env_steps for e in episodes])
    success = np.full(BINS, np.nan, np.float32)
    sigma = np.full(BINS, np.nan, np.float32)
    for i in range(BINS):
        inside = (steps > edges[i]) & (steps <= edges[i + 1])
        if inside.any():
            success[i] = np.mean([e.success for e, x in zip(episodes, inside, strict=True) if x])
            sigma[i] = np.mean([e.sigma_mean for e, x in zip(episodes, inside, strict=True) if x])
    return Curve(edges[1:].astype(np.float32), success, sigma)


def final_success(episodes: Sequence[FinishedEpisode], budget: int) -> float:
    """Share of successes over the last fifth of the budget."""
    last = [e.success for e in episodes if 0.8 * budget < e.env_steps <= budget]
    return float(np.mean(last)) if last else float("nan")


def draw(path: Path, curves: Mapping[str, Mapping[str, Sequence[Curve]]]) -> None:
    """Writes the figure: one panel per benchmark, one line per method, a band over seeds.

    Args:
        path: PNG to write.
        curves: Benchmark to method to the curves of its seeds.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0 * len(curves), 4.2), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for panel, (name, methods) in zip(panels, curves.items(), strict=True):
        for label, runs in methods.items():
            success = np.stack([run.success for run in runs])
            steps = runs[0].env_steps
            (line,) = panel.plot(steps, np.nanmean(success, axis=0), label=label)
            panel.fill_between(
                steps,
                np.nanmin(success, axis=0),
                np.nanmax(success, axis=0),
                color=line.get_color(),
                alpha=0.12,
                linewidth=0,
            )
        panel.set(title=name, xlabel="environment steps", ylabel="success", ylim=(-0.02, 1.02))
        panel.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
