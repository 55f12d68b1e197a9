"""Success@K of every pre-training method on a benchmark's unfamiliar tasks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from tmrl_experiments.fan_out import fan_out
from tmrl_experiments.ogbench.benchmarks import benchmark
from tmrl_experiments.ogbench.chunk_policies import FlowChunks
from tmrl_experiments.ogbench.coverage import SuccessAtK, roll_out, success_at_k
from tmrl_experiments.ogbench.pretraining import pretrained
from tmrl_learner.atomic_file import write_atomically
from tmrl_learner.pretrain.config import PretrainConfig

CSP_SIGMAS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FIRST_START = 10_000


@dataclass(frozen=True)
class Contender:
    """One curve of the figure.

    Attributes:
        benchmark: Name of the benchmark.
        method: Of pre-training.
        sigma: Context time of every chunk.
        starts: Number of starts; they are the same for all contenders.
        rollouts: Per start.
        pretrain_steps: Gradient steps of the policy.
        seed: Of the policy and its data.
        work: Folder of all experiments.
    """

    benchmark: str
    method: str
    sigma: float
    starts: int
    rollouts: int
    pretrain_steps: int
    seed: int
    work: Path

    @property
    def label(self) -> str:
        """Name of the curve."""
        return f"csp sigma {self.sigma:g}" if self.method == "csp" else self.method

    @property
    def file(self) -> Path:
        """Where its rollouts are kept, so that an interrupted study continues."""
        size = f"{self.starts}x{self.rollouts}-{self.pretrain_steps}"
        name = f"{self.label.replace(' ', '-')}-seed{self.seed}-{size}.json"
        return self.work / "coverage" / self.benchmark / name


def contenders(
    name: str, starts: int, rollouts: int, pretrain_steps: int, seed: int, work: Path
) -> list[Contender]:
    """CSP at five context times, BC and PostBC."""
    chosen = [("csp", sigma) for sigma in CSP_SIGMAS] + [("bc", 0.0), ("postbc", 0.0)]
    return [
        Contender(name, method, sigma, starts, rollouts, pretrain_steps, seed, work)
        for method, sigma in chosen
    ]


def measure(field: list[Contender], workers: int, ray_address: str | None) -> dict[str, SuccessAtK]:
    """Rolls out all contenders of one benchmark, or reads what was rolled out before.

    Args:
        field: As returned by `contenders`.
        workers: Processes side by side.
        ray_address: Of a Ray cluster instead.

    Returns:
        Estimate by label.
    """
    # One after the other: contenders of one policy would train it at the same time.
    for method in dict.fromkeys(contender.method for contender in field):
        _policy(next(c for c in field if c.method == method))
    missing = [contender for contender in field if not contender.file.exists()]
    progress = tqdm(
        total=len(field), initial=len(field) - len(missing), desc=field[0].benchmark, unit="curve"
    )
    with progress:
        for _ in fan_out(roll_out_contender, missing, workers, ray_address, progress.refresh):
            progress.update()
    return {contender.label: success_at_k(_rolled_out(contender)) for contender in field}


def roll_out_contender(contender: Contender) -> None:
    """Runs every rollout of one contender and keeps their outcomes."""
    torch.set_num_threads(1)
    starts = [_FIRST_START + i for i in range(contender.starts)]
    solved = roll_out(
        _policy(contender),
        benchmark(contender.benchmark),
        contender.sigma,
        starts,
        contender.rollouts,
        parallel=20,
    )
    contender.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(contender.file, json.dumps(solved.astype(int).tolist()) + "\n")


def _policy(contender: Contender) -> FlowChunks:
    config = PretrainConfig(contender.method, seed=contender.seed, steps=contender.pretrain_steps)
    return pretrained(benchmark(contender.benchmark), config, contender.work)


def _rolled_out(contender: Contender) -> NDArray[np.bool_]:
    return np.array(json.loads(contender.file.read_text(encoding="utf-8")), np.bool_)


def draw(path: Path, studies: Mapping[str, Mapping[str, SuccessAtK]]) -> None:
    """Writes the figure: one panel per benchmark, one line per contender.

    Args:
        path: PNG to write.
        studies: Benchmark to label to estimate.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.0 * len(studies), 4.2), layout="constrained")
    panels = figure.subplots(1, len(studies), squeeze=False)[0]
    for panel, (name, curves) in zip(panels, studies.items(), strict=True):
        for i, (label, estimate) in enumerate(curves.items()):
            k = np.arange(1, len(estimate.mean) + 1)
            style = "-" if label.startswith("csp") else "--"
            (line,) = panel.plot(k, estimate.mean, style, color=f"C{i}", label=label)
            panel.fill_between(
                k, estimate.low, estimate.high, color=line.get_color(), alpha=0.12, linewidth=0
            )
        panel.set(title=name, xlabel="K rollouts", ylabel="Success@K", ylim=(-0.02, 1.02))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
