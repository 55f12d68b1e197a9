"""``./tmrl pretrain``: demonstrations, training, evaluation and model card from one command."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from tqdm import tqdm

from tmrl_cell import demonstrations, plate_demonstrations
from tmrl_common.config import nearest_name
from tmrl_common.errors import ConfigError
from tmrl_common.storage import prepare_folder
from tmrl_experiments.franka import task as franka
from tmrl_experiments.franka.card import button_card
from tmrl_experiments.widowx.looking import Looks, encoder_config, look
from tmrl_experiments.widowx.task import (
    OBSERVED,
    SETTINGS,
    TASKS,
    check_observed,
    suffix_of,
    tasks_of,
)
from tmrl_learner.pretrain.config import (
    METHODS,
    PretrainConfig,
    config_from_record,
    known_method,
    preset,
)
from tmrl_learner.pretrain.dataset import DemonstrationSet, load_demonstrations
from tmrl_learner.pretrain.evaluate import TaskEnvironment, evaluate
from tmrl_learner.pretrain.report import (
    Measurement,
    context_trust,
    model_card,
    planned_measurements,
    training_record,
)
from tmrl_learner.pretrain.source import DemonstrationSource
from tmrl_learner.pretrain.train import policy_shape, train
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_learner.tracking import WANDB_MODES, open_tracker
from tmrl_policies.corruption import DEFAULT_SCHEDULE, noise_schedule
from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.schedule_names import SCHEDULE_NAMES

DEMO_METHODS = ("csp", "bc")
"""What the demo needs; the others are baselines and trained when asked for."""

_EVALUATION_SEED = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = command_parser()
    arguments = parser.parse_args(argv)
    tasks = tasks_of(arguments.rig)
    # The network is so small that a second thread only waits for the first.
    torch.set_num_threads(1)
    task: str = arguments.task or tasks[0]
    if task not in tasks:
        parser.error(f"--task {task} is none of {arguments.rig}; {nearest_name(task, tasks)}")
    try:
        check_observed(task, arguments.observe)
    except ConfigError as error:
        parser.error(str(error))
    suffix = suffix_of(task, arguments.observe)
    name = f"{arguments.rig}{suffix}-seed{arguments.seed}"
    work = arguments.work or Path("runs/pretrain") / name
    out = arguments.out or Path("policies/checkpoints") / f"{arguments.rig}{suffix}"
    for written in (work, out):
        prepare_folder(written)
    looks = None
    if arguments.observe == "cameras":
        looks = look(
            work, arguments.demonstrations, encoder_config(arguments.seed, arguments.encoder_steps)
        )
        recorded = looks.recorded
    else:
        recorded = _demonstrations(task, work, arguments.demonstrations, arguments.seed)
    for method in arguments.method:
        _make(method, arguments, task, recorded, looks, work, out)
    return 0


def _make(
    method: str,
    arguments: argparse.Namespace,
    task: str,
    recorded: DemonstrationSet,
    looks: Looks | None,
    work: Path,
    out: Path,
) -> None:
    """Trains a policy unless it is only to be measured; measures it and writes it with its card."""
    context_schedule = arguments.context_schedule if method == "csp" else DEFAULT_SCHEDULE
    name = folder_name(method, context_schedule)
    folder = out / name
    if arguments.measure:
        config, policy, loss = _trained(folder)
    else:
        config = preset(method, seed=arguments.seed, steps=arguments.steps)
        shape = policy_shape(config, recorded, context_schedule)
        shape = replace(shape, horizon=SETTINGS[task].horizon)
        source = DemonstrationSource(
            recorded, shape.horizon, config.validation_fraction, config.seed
        )
        resolved = {"training": asdict(config), "policy": asdict(shape)}
        with open_tracker(work / name, resolved, wandb=arguments.wandb) as tracker:
            policy, loss = train(config, shape, source, work / name, tracker.log)
    make_task = TASKS[task] if looks is None else looks.task
    measurements = _measure(task, make_task, config, policy, arguments.episodes)
    encoder_sha256 = "" if looks is None else looks.save(folder)
    record = training_record(config, recorded, loss, measurements)
    save_flow_policy(folder, policy, record, encoder_sha256)
    suffix = suffix_of(task, arguments.observe)
    command = _command(arguments.rig, suffix, config, policy)
    account = config, policy, recorded, loss, measurements, command
    card = button_card(*account) if task == "press_button" else model_card(*account, suffix)
    card += "" if looks is None else looks.account
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    tqdm.write(f"{folder}: policy.safetensors, policy.json, MODEL_CARD.md")


def command_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="tmrl pretrain",
        description="Record demonstrations in simulation and pre-train policies on them. "
        "Interrupted, the same command resumes where it stopped.",
    )
    parser.add_argument("rig", choices=["widowx_sim", "franka_sim"], help="cell to train for")
    parser.add_argument(
        "--task",
        choices=TASKS,
        help="of widowx_sim: pot, as in the demo (default), or plate, which moves; of franka_sim: "
        "press_button",
    )
    parser.add_argument(
        "--method",
        type=_methods,
        default=DEMO_METHODS,
        metavar="{" + ",".join((*METHODS, "all")) + "}",
        help="which policy (default: the two of the demo, csp and bc)",
    )
    parser.add_argument(
        "--context-schedule",
        type=_context_schedule,
        default=DEFAULT_SCHEDULE,
        metavar="{" + ",".join(SCHEDULE_NAMES) + "}",
        help=f"noise of the contexts of csp (default: {DEFAULT_SCHEDULE}); another one gets a "
        "folder of its own",
    )
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations and training")
    parser.add_argument("--steps", type=int, help="gradient steps instead of the method's own")
    parser.add_argument(
        "--demonstrations", type=int, default=800, help="scripted episodes to record"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="do not train: measure the policies in --out again and write their cards again",
    )
    parser.add_argument("--episodes", type=int, default=100, help="episodes per evaluation")
    _add_encoder(parser)
    _add_folders(parser)
    parser.add_argument(
        "--wandb",
        choices=WANDB_MODES,
        default="offline",
        help="where wandb gets the loss curves, besides metrics.csv (default: offline)",
    )
    return parser


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    """Adds what is seen, and through what."""
    parser.add_argument(
        "--observe",
        choices=OBSERVED,
        default="state",
        help="what the policies see of the objects: their positions, or the pictures of the cell's "
        "cameras through an encoder that is trained first (default: state)",
    )
    parser.add_argument(
        "--encoder-steps",
        type=int,
        metavar="STEPS",
        help="with --observe cameras: gradient steps of the encoder instead of its own",
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    """Adds where things are written."""
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the policies, one subfolder per method "
        "(default: policies/checkpoints/RIG, or RIG_plate, or RIG_cameras)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for demonstrations and unfinished training "
        "(default: runs/pretrain/RIG-seedSEED, or RIG_plate-seedSEED, or RIG_cameras-seedSEED, "
        "with pictures of half a gigabyte); the loss curves go to "
        "METHOD/metrics.csv in it",
    )


_SUFFIX_OPTIONS = {"": "", "_plate": " --task plate", "_cameras": " --observe cameras"}


def _command(rig: str, suffix: str, config: PretrainConfig, policy: FlowPolicy) -> str:
    """What makes the policy again."""
    command = f"./tmrl pretrain {rig}{_SUFFIX_OPTIONS[suffix]}"
    command += f" --method {config.method} --seed {config.seed}"
    if config.steps != preset(config.method).steps:
        command += f" --steps {config.steps}"
    if policy.config.schedule != DEFAULT_SCHEDULE:
        command += f" --context-schedule {policy.config.schedule}"
    return command


def folder_name(method: str, context_schedule: str) -> str:
    """Subfolder of a policy: its method, and its schedule where that is not the usual one."""
    return method if context_schedule == DEFAULT_SCHEDULE else f"{method}_{context_schedule}"


def _methods(text: str) -> tuple[str, ...]:
    if text == "all":
        return METHODS
    try:
        return (known_method(text),)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _context_schedule(text: str) -> str:
    try:
        return noise_schedule(text).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_RECORD = {
    "pot": demonstrations.generate,
    "plate": plate_demonstrations.generate,
    "press_button": franka.generate,
}


def _demonstrations(task: str, work: Path, episodes: int, seed: int) -> DemonstrationSet:
    """Loads the recorded demonstrations, or records them first."""
    generate = _RECORD[task]
    path = work / f"demonstrations_{episodes}.npz"
    if not path.exists():
        generate(episodes, seed).save(path)
    return load_demonstrations(path)


def _trained(folder: Path) -> tuple[PretrainConfig, FlowPolicy, ValidationLoss]:
    """A policy that was trained before, with its configuration and held-out loss."""
    loaded = load_flow_policy(folder)
    config = config_from_record(loaded.training["config"])
    return config, loaded.policy, ValidationLoss(**loaded.training["held_out_loss"])


def _measure(
    task: str,
    make_task: Callable[[str], TaskEnvironment],
    config: PretrainConfig,
    policy: FlowPolicy,
    episodes: int,
) -> list[Measurement]:
    """Evaluates a policy with both objects."""
    settings = SETTINGS[task]
    measurements: list[Measurement] = []
    for in_distribution, steering in planned_measurements(config):
        target = settings.demonstrated if in_distribution else settings.target
        label = f"evaluating {config.method}: {target}, {context_trust(steering)}"
        with tqdm(total=episodes, desc=label, unit="episode") as progress:
            result = evaluate(
                policy,
                make_task(target),
                steering,
                episodes=episodes,
                seed=_EVALUATION_SEED,
                execute_steps=settings.execute_steps,
                on_episode=progress.update,
            )
        measurements.append(Measurement(target, in_distribution, steering, result))
    return measurements


if __name__ == "__main__":
    raise SystemExit(main())
