"""Trains to the end with a progress bar, and resumes where an interrupted training stopped."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tmrl_learner.pretrain.config import PretrainConfig, check_shape, shape_for_method
from tmrl_learner.pretrain.dataset import DemonstrationSet
from tmrl_learner.pretrain.posterior import PosteriorSource
from tmrl_learner.pretrain.source import BatchSource
from tmrl_learner.pretrain.trainer import FlowTrainer, ValidationLoss
from tmrl_policies.corruption import DEFAULT_SCHEDULE
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig


def policy_shape(
    config: PretrainConfig,
    demonstrations: DemonstrationSet,
    context_schedule: str = DEFAULT_SCHEDULE,
) -> FlowPolicyConfig:
    """Returns the sizes that the demonstrations dictate, with what belongs to the method."""
    shape = FlowPolicyConfig(
        proprio_dim=demonstrations.proprio.shape[1],
        context_dim=demonstrations.context.shape[1],
        action_dim=demonstrations.actions.shape[1],
        schedule=context_schedule,
    )
    return shape_for_method(shape, config.method)


def _nowhere(_step: int, _values: dict[str, float]) -> None:
    """Drops metrics."""


def train(
    config: PretrainConfig,
    shape: FlowPolicyConfig,
    source: BatchSource,
    stem: Path,
    on_metrics: Callable[[int, dict[str, float]], None] = _nowhere,
) -> tuple[FlowPolicy, ValidationLoss]:
    """Trains a policy; for "postbc", its ensemble first.

    Args:
        config: How to train.
        shape: Sizes of the policy, as :func:`shape_for_method` completes them.
        source: What to learn from.
        stem: Path without suffix of the checkpoint from which an interrupted training continues.
        on_metrics: Called at every validation with the gradient step and losses by name, e.g.
            ``RunTracker.log``.

    Returns:
        The policy with averaged weights, and its loss on held-out samples.

    Raises:
        ConfigError: Smoothing and context dropout of ``shape`` are not the method's.
        ResumeError: There is a checkpoint, made with other settings, sizes or data.
    """
    check_shape(config, shape)
    if config.method == "postbc":
        source = PosteriorSource(source, config.posterior, config.seed)
    trainer = FlowTrainer(config, shape, source)
    if stem.with_name(stem.name + ".json").exists():
        trainer.resume(stem)
    label = f"{config.method}, seed {config.seed}"
    recent: list[float] = []
    with tqdm(
        total=config.steps, initial=trainer.step, desc=label, unit="step", smoothing=0.05
    ) as progress:
        while trainer.step < config.steps:
            recent.append(trainer.train_step())
            progress.update()
            if trainer.step % config.validate_every == 0:
                losses = trainer.validate()
                held_out = {f"held_out_{name}": loss for name, loss in asdict(losses).items()}
                on_metrics(trainer.step, {"loss": float(np.mean(recent)), **held_out})
                recent.clear()
                progress.set_postfix_str(
                    f"held-out loss {losses.clean:.3f} (marginal {losses.marginal:.3f})"
                )
            if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                trainer.save(stem)
    return trainer.average, trainer.validate()
