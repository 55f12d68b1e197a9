"""Fine-tuning from the first step to the last, and on from where an interrupted run stopped."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from tqdm import tqdm

from tmrl_common.errors import ConfigError
from tmrl_learner.pi0.batches import BatchOrder, PartSampler
from tmrl_learner.pi0.checkpoints import (
    finish_checkpoint,
    newest_checkpoint,
    resume,
    training_state,
    unfinished_checkpoint,
    write_training_state,
)
from tmrl_learner.pi0.config import FinetuneConfig
from tmrl_learner.pi0.demonstrations import Demonstrations, open_demonstrations
from tmrl_learner.pi0.export import served_state, write_served
from tmrl_learner.pi0.lerobot.looks import look_at_images
from tmrl_learner.pi0.network import build_network
from tmrl_learner.pi0.preparation import Preparation, TrainingBatch
from tmrl_learner.pi0.processes import Processes
from tmrl_learner.pi0.samples import ChunkSamples
from tmrl_learner.pi0.start import judge_start
from tmrl_learner.pi0.statistics import compute_statistics
from tmrl_learner.pi0.trainer import Pi0Trainer, StepResult
from tmrl_learner.tracking import open_tracker
from tmrl_policies.pi0.fitness import odd_units
from tmrl_policies.pi0.inputs.rigs import rig_named, scale_named
from tmrl_policies.pi0.inputs.statistics import RobotStatistics, read_statistics, write_statistics
from tmrl_policies.pi0.inputs.tokeniser import PromptTokeniser

_log = logging.getLogger(__name__)

_AVERAGE = "average."
_FREE_TO_CHANGE = ("steps", "checkpoint_every", "keep_checkpoints", "log_every", "workers")
"""Settings that a resumed run may have otherwise: they do not change any step."""

OnMetrics = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class FinetunePaths:
    """Where fine-tuning reads and writes.

    Attributes:
        dataset: Folder of the data set.
        out: Folder of the run.
        tokeniser: PaliGemma's SentencePiece model.
        weights: First weights; None starts from random ones.
        statistics: A `norm_stats.json` to use instead of the data set's own, such as that of the
            weights; None computes them.
    """

    dataset: Path
    out: Path
    tokeniser: Path
    weights: Path | None = None
    statistics: Path | None = None


def finetune(
    config: FinetuneConfig, paths: FinetunePaths, processes: Processes, wandb: str = "offline"
) -> Path:
    """Trains to the last step; what an earlier call left in `paths.out` is resumed from.

    Args:
        config: How to train.
        paths: Where from and where to.
        processes: Who trains together.
        wandb: "offline", "online" or "disabled".

    Returns:
        The last checkpoint.

    Raises:
        DatasetError: The data set cannot be used.
        CheckpointError: The weights or the statistics cannot be used.
        ResumeError: The run in `paths.out` is another one.
        DivergedError: The loss is not a number any more.
    """
    if config.batch_size % (config.accumulation * processes.count):
        raise ConfigError(
            f"batch_size is {config.batch_size}; it must be a multiple of accumulation times the "
            f"number of processes, {config.accumulation} * {processes.count}"
        )
    # The cheap files first: a typing error should not cost the minutes of the data.
    if paths.weights is not None:
        judge_start(config.model, paths.weights)
    model, scale = config.model, scale_named(config.scale)
    tokeniser = PromptTokeniser(paths.tokeniser, model.prompt_tokens, model.vocabulary)
    rig = rig_named(config.rig)
    demonstrations = open_demonstrations(
        paths.dataset, config.columns, rig, rate_hz=config.data_rate_hz
    )
    statistics = _statistics(config, paths, demonstrations, processes)
    if processes.first:
        for sentence in odd_units(rig, statistics):
            _log.warning("%s", sentence)
    preparation = Preparation(rig, statistics, scale, tokeniser, model)
    preparation.check_prompts(demonstrations.instructions())
    samples = ChunkSamples(demonstrations, model.horizon, quiet=not processes.first)
    if processes.first:
        look_at_images(demonstrations.info, demonstrations.cameras, samples.episodes)
    rate_hz = demonstrations.info.fps_hz
    run = _Run(config, paths, samples, statistics, preparation, processes, rate_hz)
    if not processes.first:
        return run.train(lambda _step, _values: None)
    with open_tracker(paths.out, run.account, wandb=wandb) as tracker:
        return run.train(tracker.log)


def _statistics(
    config: FinetuneConfig, paths: FinetunePaths, data: Demonstrations, processes: Processes
) -> RobotStatistics:
    """Statistics from the file given, from the run that is resumed, or from the data set."""
    path = paths.statistics or paths.out / "assets" / config.rig / "norm_stats.json"
    resumed = newest_checkpoint(paths.out) is not None
    if paths.statistics is None and processes.first and not resumed:
        write_statistics(paths.out, config.rig, compute_statistics(data, config.model.horizon))
    processes.wait()
    return read_statistics(path, data.rig, config.model.action_dim, scale_named(config.scale))


class _Run:
    """One fine-tuning, ready to train."""

    def __init__(
        self,
        config: FinetuneConfig,
        paths: FinetunePaths,
        samples: ChunkSamples,
        statistics: RobotStatistics,
        preparation: Preparation,
        processes: Processes,
        rate_hz: float,
    ) -> None:
        self._config = config
        self._paths = paths
        self._samples = samples
        self._statistics = statistics
        self._preparation = preparation
        self._processes = processes
        self._order = BatchOrder(len(samples), config.batch_size, config.seed)
        self._network, weights_sha256 = build_network(config, paths.weights, processes)
        self._trainer = Pi0Trainer(config, self._network, processes)
        self.account: dict[str, Any] = {
            "config": config.to_mapping(),
            "data_sha256": samples.sha256(),
            "data_rate_hz": rate_hz,
            "statistics_sha256": statistics.content_hash(scale_named(config.scale)),
            "weights_sha256": weights_sha256,
        }
        if (newest := newest_checkpoint(paths.out)) is not None:
            resume(self._trainer, newest, self._identity())

    def train(self, on_metrics: OnMetrics) -> Path:
        """Trains to the last step.

        Args:
            on_metrics: Gets rows of metrics with their step.

        Returns:
            The last checkpoint.
        """
        config, trainer = self._config, self._trainer
        parts = iter(self._loader())
        recent = _Recent(config.batch_size)
        bar = tqdm(
            total=config.steps,
            initial=trainer.step,
            desc=f"{config.rig}, {config.trained}",
            unit="step",
            smoothing=0.05,
            disable=not self._processes.first,
        )
        with bar:
            while trainer.step < config.steps:
                mine = list(itertools.islice(parts, config.accumulation))
                recent.add(trainer.train_step(mine, self._counted(trainer.step)))
                bar.update()
                if trainer.step % config.log_every == 0 or trainer.step == config.steps:
                    values = recent.take()
                    bar.set_postfix_str(
                        f"loss {values['loss']:.4f}, {values['chunks_per_s']:.1f} chunks/s"
                    )
                    on_metrics(trainer.step, values)
                if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                    self._save()
        self._processes.wait()
        last = newest_checkpoint(self._paths.out)
        assert last is not None, "the last step writes a checkpoint"
        return last

    def _loader(self) -> Iterator[TrainingBatch]:
        config, processes = self._config, self._processes
        mine = range(processes.rank, config.accumulation * processes.count, processes.count)
        parts = config.accumulation * processes.count
        sampler = PartSampler(self._order, self._trainer.step, config.steps, parts, mine)
        loader = DataLoader(
            self._samples,
            batch_sampler=sampler,
            collate_fn=self._preparation,
            num_workers=config.workers,
            pin_memory=processes.device.type == "cuda",
        )
        return iter(loader)

    def _counted(self, step: int) -> int:
        """Actions of the whole batch that count in the loss."""
        if self._config.count_padding:
            return self._config.batch_size * self._config.model.horizon
        return self._samples.steps_inside(self._order.batch(step))

    def _save(self) -> None:
        tensors = training_state(self._trainer)
        if not self._processes.first:
            return
        average = {
            name.removeprefix(_AVERAGE): tensor
            for name, tensor in tensors.items()
            if name.startswith(_AVERAGE)
        }
        step = self._trainer.step
        folder = unfinished_checkpoint(self._paths.out, step)
        write_training_state(folder, tensors, step, self._identity())
        plain = served_state(self._network, average, self._config)
        came_from = {"dataset": str(self._paths.dataset), "weights": str(self._paths.weights)}
        account = self.account | came_from | {"step": step}
        write_served(folder, plain, self._config, self._statistics, self._paths.tokeniser, account)
        finish_checkpoint(folder, self._config.keep_checkpoints)

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a training to be the same one."""
        config = {
            name: value
            for name, value in self.account["config"].items()
            if name not in _FREE_TO_CHANGE
        }
        return self.account | {"config": config}


class _Recent:
    """Means over the steps since the last row of metrics."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._results: list[StepResult] = []
        self._since_s = time.monotonic()

    def add(self, result: StepResult) -> None:
        self._results.append(result)

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        count, now_s = len(self._results), time.monotonic()
        values = {
            name: sum(getattr(result, name) for result in self._results) / count
            for name in StepResult._fields
        }
        values["chunks_per_s"] = count * self._batch_size / max(now_s - self._since_s, 1e-9)
        self._results, self._since_s = [], now_s
        return values
