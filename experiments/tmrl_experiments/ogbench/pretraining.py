"""Pre-trains the base policies of a benchmark, each once, and finds them again."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tmrl_common.errors import ConfigError
from tmrl_experiments.ogbench.benchmarks import Benchmark
from tmrl_experiments.ogbench.chunk_policies import FlowChunks
from tmrl_experiments.ogbench.hindsight import HindsightSource
from tmrl_experiments.ogbench.recording import load_recording
from tmrl_learner.pretrain.config import PretrainConfig, shape_for_method
from tmrl_learner.pretrain.train import train
from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_policy import FlowPolicyConfig

GUIDANCE_MAX = 2.0
"""Guidance weight at which TMRL-CFG's knob starts; 1 is plain conditioning, 0 the null context."""

_FLOW_STEPS = 10


def hindsight_source(benchmark: Benchmark, work: Path, seed: int, workers: int) -> HindsightSource:
    """The benchmark's data, recorded first where they are missing."""
    recording = load_recording(benchmark.recording, work / "recordings", seed, workers)
    return HindsightSource(recording, benchmark, seed)


def pretrained(
    benchmark: Benchmark, config: PretrainConfig, work: Path, workers: int = 1
) -> FlowChunks:
    """The base policy of a method, trained now unless it was before.

    Args:
        benchmark: What for.
        config: How to train.
        work: Folder of the experiments; an interrupted training resumes from there.
        workers: Processes that record data, where they are missing.

    Raises:
        ConfigError: The policy that lies there was trained with other settings.
    """
    folder = policy_folder(work, benchmark, config)
    if not (folder / "policy.json").exists():
        _train(benchmark, config, work, workers)
    loaded = load_flow_policy(folder)
    _check_same(folder, loaded.training, _settings(benchmark, config))
    guidance = GUIDANCE_MAX if config.method == "cfg" else 0.0
    return FlowChunks(
        loaded.policy, benchmark, guidance, torch.Generator().manual_seed(config.seed)
    )


def policy_folder(work: Path, benchmark: Benchmark, config: PretrainConfig) -> Path:
    """Where the finished policy lies."""
    return work / "policies" / f"{benchmark.name}-seed{config.seed}" / config.method


def policy_shape(benchmark: Benchmark, method: str) -> FlowPolicyConfig:
    """Sizes of a benchmark's policy, with what belongs to its method of pre-training."""
    shape = FlowPolicyConfig(
        proprio_dim=benchmark.proprio_dim,
        context_dim=benchmark.context_dim,
        action_dim=benchmark.action_dim,
        horizon=benchmark.horizon,
        flow_steps=_FLOW_STEPS,
    )
    return shape_for_method(shape, method)


def _train(benchmark: Benchmark, config: PretrainConfig, work: Path, workers: int) -> None:
    source = hindsight_source(benchmark, work, config.seed, workers)
    folder = policy_folder(work, benchmark, config)
    unfinished = folder.with_name(f"{config.method}-unfinished")
    policy, loss = train(config, policy_shape(benchmark, config.method), source, unfinished)
    record = {
        **_settings(benchmark, config),
        "data_sha256": source.sha256(),
        "rows": source.rows,
        "held_out_loss": asdict(loss),
    }
    save_flow_policy(folder, policy, record)


def _settings(benchmark: Benchmark, config: PretrainConfig) -> dict[str, Any]:
    """What must be equal for a policy to be the one that is asked for, as JSON returns it."""
    return {
        "config": asdict(config),
        "recording": benchmark.recording,
        "horizon": benchmark.horizon,
        "goal_discount": benchmark.goal_discount,
    }


def _check_same(folder: Path, trained: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if trained.get(name) != value:
            raise ConfigError(
                f"{folder} was trained with {name} = {trained.get(name)}, this experiment has "
                f"{value}; use the settings it was trained with, or another --work folder"
            )
