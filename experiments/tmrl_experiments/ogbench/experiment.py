"""One run of the comparison, from its name: base policy, data, learner, budget."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from tmrl_common.types import FloatArray
from tmrl_experiments.ogbench.benchmarks import benchmark
from tmrl_experiments.ogbench.chunk_policies import FlowChunks, RawActions, SteeredPolicy
from tmrl_experiments.ogbench.curves import CurveRun
from tmrl_experiments.ogbench.methods import RUN_SETTINGS, learner_config, method
from tmrl_experiments.ogbench.pretraining import hindsight_source, pretrained
from tmrl_learner.pretrain.config import PretrainConfig
from tmrl_learner.tracking import open_tracker

_OFFLINE_TRANSITIONS = 20_000


@dataclass(frozen=True)
class Experiment:
    """What one run is.

    Attributes:
        benchmark: Name of the benchmark.
        method: Name of the method.
        seed: Of the learner and of what happens in the environments.
        env_steps: Budget of control steps.
        pretrain_steps: Gradient steps of the base policy.
        pretrain_seed: Of the base policy and its data.
    """

    benchmark: str
    method: str
    seed: int
    env_steps: int
    pretrain_steps: int = 20_000
    pretrain_seed: int = 0

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.benchmark}-{self.method}-seed{self.seed}"

    def folder(self, work: Path) -> Path:
        """Where its episodes and its checkpoint lie, below the folder of all experiments."""
        return work / "curves" / self.name


def run_experiment(
    experiment: Experiment,
    work: Path,
    on_steps: Callable[[int], object] = lambda _: None,
    wandb: str = "offline",
) -> CurveRun:
    """Runs an experiment to the end of its budget, from where it stopped before.

    Args:
        experiment: What to run.
        work: Folder of all experiments.
        on_steps: Called with the number of control steps just made, for progress.
        wandb: "offline", "online" or "disabled".
    """
    torch.set_num_threads(1)
    where = benchmark(experiment.benchmark)
    chosen = method(experiment.method)
    pretraining = PretrainConfig(
        chosen.base, seed=experiment.pretrain_seed, steps=experiment.pretrain_steps
    )
    base = pretrained(where, pretraining, work)
    policy: SteeredPolicy = RawActions(base, where) if chosen.raw_actions else base
    config = learner_config(where.name, experiment.method, experiment.seed)
    settings = RUN_SETTINGS[where.name]
    folder = experiment.folder(work)
    record = {"experiment": asdict(experiment), "learner": config.to_mapping()}
    with open_tracker(
        folder, record, wandb=wandb, group=experiment.benchmark, name=experiment.name
    ) as tracker:
        run = CurveRun(
            where,
            policy,
            config,
            folder,
            _offline_rows(experiment, base, work) if chosen.raw_actions else None,
            environments=settings.environments,
            checkpoint_every=settings.checkpoint_every,
            tracker=tracker,
        )
        on_steps(run.env_steps)
        run.run(experiment.env_steps, on_steps)
    return run


def _offline_rows(experiment: Experiment, view: FlowChunks, work: Path) -> dict[str, FloatArray]:
    """Demonstrations in the form of replay rows: the latent is the executed chunk."""
    source = hindsight_source(benchmark(experiment.benchmark), work, experiment.pretrain_seed, 1)
    drawn = source.transitions(_OFFLINE_TRANSITIONS, experiment.seed)
    reached = drawn.reached.astype(np.float32)[:, None]
    return {
        "features": view.features(drawn.observations),
        "z": np.clip(drawn.actions.reshape(len(reached), -1), -1.0, 1.0),
        "sigma": np.zeros_like(reached),
        "epsilon": np.zeros((len(reached), 0), np.float32),
        "reward": reached - 1.0,
        "next_features": view.features(drawn.next_observations),
        "terminated": reached,
    }
