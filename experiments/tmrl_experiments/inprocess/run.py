"""One run in one process: built from the command line, resumed, reported."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from tmrl_cell.plate import CONTEXT_DIM
from tmrl_common.algorithms import NO_LEARNING
from tmrl_common.constraints import SEED, Range
from tmrl_common.errors import ConfigError
from tmrl_common.storage import prepare_file, write_text
from tmrl_experiments.inprocess.flow_base import FlowBase, PlateBase
from tmrl_experiments.inprocess.loop import Acting, EpisodeSummary, InProcessLoop
from tmrl_experiments.inprocess.report import report, success_last_window
from tmrl_experiments.inprocess.run_directory import RunDirectory, open_run_directory
from tmrl_experiments.inprocess.steering import Drawn
from tmrl_experiments.widowx.helper import Patience, ScriptedHelper
from tmrl_experiments.widowx.task import SETTINGS, TASKS, check_observed, looking_task
from tmrl_learner.config import Sizes, resolve
from tmrl_learner.devices import check_device
from tmrl_learner.flow_actions import FlowActions
from tmrl_learner.pretrain.evaluate import TaskEnvironment
from tmrl_learner.session import LearnerSession
from tmrl_learner.tracking import RunTracker, open_tracker
from tmrl_policies.flow_checkpoint import LoadedPolicy, load_flow_policy
from tmrl_policies.keypoint_checkpoint import load_encoder_of


@dataclass
class _Progress:
    """Episodes until now and the wall time behind them, also of the processes before this one."""

    episodes: list[EpisodeSummary] = field(default_factory=list[EpisodeSummary])
    earlier_s: float = 0.0
    start_s: float = field(default_factory=time.monotonic)

    @property
    def wall_s(self) -> float:
        return self.earlier_s + time.monotonic() - self.start_s


def run(arguments: argparse.Namespace, overrides: Mapping[str, str]) -> None:
    """Runs the episodes, writes a line after each, checkpoints, and the report at the end.

    Args:
        arguments: Of the command line.
        overrides: Changes to the preset, dotted key to value.

    Raises:
        TmrlError: An argument is invalid, or a checkpoint is damaged or does not belong to the run.
    """
    torch.set_num_threads(1)
    _check(arguments)
    settings = SETTINGS[arguments.task]
    loaded = load_flow_policy(arguments.checkpoint)
    task = _task(arguments, loaded)
    policy = _policy(arguments, loaded)
    session = _session(arguments, overrides, loaded, policy)
    loop = InProcessLoop(
        policy,
        task,
        session,
        arguments.seed,
        settings.execute_steps,
        _acting(arguments),
        ScriptedHelper(settings.target, arguments.seed, Patience(arguments.helped_episodes)),
        arguments.overlap_steps,
    )
    progress = _Progress()
    directory = _directory(arguments, loaded)
    if session is not None and directory is not None and arguments.resume:
        progress.episodes, progress.earlier_s = directory.load(session, loop)
    with _tracker(arguments, session) as tracker:
        while not _finished(arguments, progress.episodes):
            progress.episodes.append(loop.run_episode())
            sys.stdout.write(_line(progress.episodes, session, progress.wall_s))
            sys.stdout.flush()
            if tracker is not None:
                tracker.log(len(progress.episodes), _metrics(progress.episodes) | loop.metrics)
            due = len(progress.episodes) % arguments.checkpoint_every == 0
            due = due or _finished(arguments, progress.episodes)
            if session is not None and directory is not None and due:
                directory.save(session, loop, progress.episodes, progress.wall_s)
    _write_report(arguments, loaded, session, progress)


def _task(arguments: argparse.Namespace, loaded: LoadedPolicy) -> TaskEnvironment:
    """The task as the policy sees it: through cameras where it was trained with an encoder."""
    target = SETTINGS[arguments.task].target
    if not loaded.encoder_sha256:
        return TASKS[arguments.task](target)
    check_observed(arguments.task, "cameras")
    if arguments.helped_episodes:
        raise ConfigError(
            "--helped-episodes is for a policy that sees the objects' positions, as the scripted "
            f"helper does; the one in {arguments.checkpoint} looks through cameras"
        )
    return looking_task(target, load_encoder_of(arguments.checkpoint, loaded))


def _policy(arguments: argparse.Namespace, loaded: LoadedPolicy) -> FlowBase:
    settings, made = SETTINGS[arguments.task], loaded.policy.config.action_dim
    if made != settings.action_dim:
        raise ConfigError(
            f"--task {arguments.task} takes a policy of {settings.action_dim} actions, and the one "
            f"in {arguments.checkpoint} has {made}: ./tmrl pretrain {settings.rig} makes one"
        )
    if arguments.task != "plate":
        return FlowBase(loaded.policy, arguments.seed, arguments.overlap_steps)
    found = loaded.policy.config.context_dim
    if found != CONTEXT_DIM:
        raise ConfigError(
            f"--task plate takes a policy with a context of {CONTEXT_DIM} numbers, and the one in "
            f"{arguments.checkpoint} has {found}: ./tmrl pretrain widowx_sim --task plate makes one"
        )
    overlap = arguments.overlap_steps
    return PlateBase(loaded.policy, arguments.seed, overlap, shows_plate=arguments.show_plate)


def _acting(arguments: argparse.Namespace) -> Acting:
    schedule: list[float] | None = arguments.sigma_schedule
    return Acting(
        arguments.warmup_marginal_fraction,
        arguments.warmup_context_fraction,
        arguments.explore_hold,
        arguments.explore_sigma,
        arguments.base_sigma,
        Drawn(arguments.drawn),
        None if schedule is None else (schedule[0], schedule[1]),
    )


def _tracker(
    arguments: argparse.Namespace, session: LearnerSession | None
) -> AbstractContextManager[RunTracker | None]:
    """Metrics go where the checkpoints go; a run without a directory keeps none."""
    if session is None or arguments.run_dir is None:
        return nullcontext()
    return open_tracker(arguments.run_dir, session.config.to_mapping(), wandb=arguments.wandb)


def _metrics(episodes: Sequence[EpisodeSummary]) -> dict[str, float]:
    return {
        "success": float(episodes[-1].solved),
        "success_last_20": success_last_window(episodes),
        "sigma_mean": episodes[-1].sigma_mean,
        "steps": float(episodes[-1].steps),
    }


def _check(arguments: argparse.Namespace) -> None:
    if arguments.episodes < 1:
        raise ConfigError(f"--episodes is {arguments.episodes}; it must be at least 1")
    for option, value, limits in (
        ("--until-success", arguments.until_success, Range(0.0, 1.0, above=True)),
        ("--warmup-marginal-fraction", arguments.warmup_marginal_fraction, Range(0.0, 1.0)),
        (
            "--warmup-context-fraction",
            arguments.warmup_context_fraction,
            Range(0.0, 1.0 - arguments.warmup_marginal_fraction),
        ),
        ("--explore-hold", arguments.explore_hold, Range(1.0, 1000.0)),
        ("--explore-sigma", arguments.explore_sigma, Range(0.0, 1.0)),
        *(("--sigma-schedule", s, Range(0.0, 1.0)) for s in arguments.sigma_schedule or ()),
        ("--seed", arguments.seed, SEED),
        (
            "--overlap-steps",
            arguments.overlap_steps,
            Range(0, SETTINGS[arguments.task].execute_steps - 1),
        ),
    ):
        if value is not None and not limits.admits(value):
            raise ConfigError(f"{option} is {value}; {limits.remedy(value)}")
    if not 0.0 <= arguments.base_sigma <= 1.0:
        raise ConfigError(f"--base-sigma is {arguments.base_sigma}; it must be 0 to 1")
    if arguments.base_sigma and arguments.method != NO_LEARNING:
        raise ConfigError("--base-sigma is for --method base: the others choose sigma themselves")
    if arguments.sigma_schedule is not None and arguments.method != "fixed-sigma":
        raise ConfigError("--sigma-schedule is for --method fixed-sigma, whose sigma nobody learns")
    if arguments.task != "pot" and arguments.helped_episodes:
        raise ConfigError("--helped-episodes is for --task pot: the helper knows no other")
    if arguments.drawn != Drawn.NOTHING and arguments.method == NO_LEARNING:
        raise ConfigError("--drawn replaces a learned choice, and the method base learns nothing")
    if arguments.checkpoint_every < 1:
        raise ConfigError(
            f"--checkpoint-every is {arguments.checkpoint_every}; it must be at least 1"
        )
    if arguments.resume and arguments.run_dir is None:
        raise ConfigError("--resume needs --run-dir DIR, the directory of the run to resume")
    if arguments.json is not None:
        prepare_file(arguments.json)
    if arguments.run_dir is None:
        return
    if arguments.method == NO_LEARNING:
        raise ConfigError(
            "--run-dir keeps what was learned, and the method base learns nothing; leave it out"
        )
    open_run_directory(arguments.run_dir, resume=arguments.resume)


def _session(
    arguments: argparse.Namespace,
    overrides: Mapping[str, str],
    loaded: LoadedPolicy,
    policy: FlowBase,
) -> LearnerSession | None:
    """The learner; None for the frozen policy."""
    if arguments.method == NO_LEARNING:
        return None
    seed = {"seed": str(arguments.seed)}
    config = resolve(arguments.preset, arguments.method, {**seed, **overrides})
    check_device(config.device)
    horizon, action_dim = policy.noise_shape
    overlap, executed = arguments.overlap_steps, SETTINGS[arguments.task].execute_steps
    base = FlowActions(loaded.policy, executed, config.device, overlap_steps=overlap)
    z = horizon * action_dim if arguments.z_per_step else action_dim
    sizes = Sizes(policy.features_dim, z, policy.epsilon_dim, base.width)
    # What the learner sees of the plate's task is not all that the policy does.
    frozen = base if arguments.task != "plate" else None
    return LearnerSession(config, sizes, time.monotonic, frozen)


def _directory(arguments: argparse.Namespace, loaded: LoadedPolicy) -> RunDirectory | None:
    if arguments.run_dir is None:
        return None
    return RunDirectory(
        arguments.run_dir,
        {
            "--seed": arguments.seed,
            "--warmup-marginal-fraction": arguments.warmup_marginal_fraction,
            "--task": arguments.task,
            "--warmup-context-fraction": arguments.warmup_context_fraction,
            "--explore-hold": arguments.explore_hold,
            "--explore-sigma": arguments.explore_sigma,
            "--sigma-schedule": arguments.sigma_schedule,
            "--drawn": str(arguments.drawn),
            "--helped-episodes": arguments.helped_episodes,
            "--overlap-steps": arguments.overlap_steps,
            "the policy": loaded.version,
        },
    )


def _finished(arguments: argparse.Namespace, episodes: Sequence[EpisodeSummary]) -> bool:
    wanted = arguments.until_success
    good_enough = wanted is not None and success_last_window(episodes) >= wanted
    return len(episodes) >= arguments.episodes or good_enough


def _write_report(
    arguments: argparse.Namespace,
    loaded: LoadedPolicy,
    session: LearnerSession | None,
    progress: _Progress,
) -> None:
    figures: dict[str, Any] = {
        "method": arguments.method,
        "task": arguments.task,
        "seed": arguments.seed,
        "policy_version": loaded.version,
        "config": session.config.to_mapping() if session else None,
        **report(progress.episodes, SETTINGS[arguments.task].control_period_s, progress.wall_s),
    }
    if arguments.json:
        write_text(arguments.json, json.dumps(figures, indent=2) + "\n")


def _line(episodes: Sequence[EpisodeSummary], session: LearnerSession | None, wall_s: float) -> str:
    last, recent = episodes[-1], episodes[-20:]
    successes = sum(e.solved for e in recent)
    rounds = session.counters.rounds if session else 0
    return (
        f"episode {len(episodes):3d}  {last.source:7}  {last.outcome.name.lower():7}  "
        f"success {successes:2d}/{len(recent):2d}  steps {last.steps:3d}  "
        f"sigma {last.sigma_mean:.2f}  {'wrong object' if last.wrong_object else '            '}  "
        f"rounds {rounds:5d}  {wall_s:6.1f} s\n"
    )
