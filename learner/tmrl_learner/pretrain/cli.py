"""``./tmrl pretrain``: demonstrations, training, evaluation and model card from one command."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from tmrl_learner.pretrain.config import METHODS, PretrainConfig, preset
from tmrl_learner.pretrain.dataset import DemonstrationSet, load_demonstrations
from tmrl_learner.pretrain.evaluate import evaluate
from tmrl_learner.pretrain.report import (
    Measurement,
    model_card,
    planned_measurements,
    training_record,
)
from tmrl_learner.pretrain.source import DemonstrationSource
from tmrl_learner.pretrain.train import policy_shape, train
from tmrl_learner.pretrain.trainer import ValidationLoss
from tmrl_policies.flow_checkpoint import load_flow_policy, save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy

_EVALUATION_SEED = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    arguments = _parser().parse_args(argv)
    # The network is so small that a second thread only waits for the first.
    torch.set_num_threads(1)
    methods = METHODS if arguments.method == "all" else (arguments.method,)
    work = arguments.work or Path("runs/pretrain") / f"{arguments.rig}-seed{arguments.seed}"
    demonstrations = _demonstrations(work, arguments.demonstrations, arguments.seed)
    for method in methods:
        folder: Path = arguments.out / method
        if arguments.measure:
            config, policy, loss = _trained(folder)
        else:
            config = preset(method, seed=arguments.seed, steps=arguments.steps)
            shape = policy_shape(config, demonstrations)
            source = DemonstrationSource(
                demonstrations, shape.horizon, config.validation_fraction, config.seed
            )
            policy, loss = train(config, shape, source, work / method)
        measurements = _measure(config, policy, arguments.episodes)
        save_flow_policy(
            folder, policy, training_record(config, demonstrations, loss, measurements)
        )
        command = f"./tmrl pretrain {arguments.rig} --method {method} --seed {arguments.seed}"
        card = model_card(config, policy, demonstrations, loss, measurements, command)
        (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        tqdm.write(f"{folder}: policy.safetensors, policy.json, MODEL_CARD.md")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tmrl pretrain",
        description="Record demonstrations in simulation and pre-train policies on them. "
        "Interrupted, the same command goes on where it stopped.",
    )
    parser.add_argument("rig", choices=["widowx_sim"], help="cell to train for")
    parser.add_argument("--method", choices=[*METHODS, "all"], default="all", help="which policy")
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations and training")
    parser.add_argument("--steps", type=int, help="gradient steps instead of the method's own")
    parser.add_argument(
        "--demonstrations", type=int, default=800, help="scripted episodes to record"
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="do not train: measure the policies in --out again and write their cards anew",
    )
    parser.add_argument("--episodes", type=int, default=100, help="episodes per evaluation")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("policies/checkpoints/widowx_sim"),
        help="folder for the policies, one subfolder per method",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for demonstrations and unfinished training "
        "(default: runs/pretrain/RIG-seedSEED)",
    )
    return parser


def _demonstrations(work: Path, episodes: int, seed: int) -> DemonstrationSet:
    """Loads the recorded demonstrations, or records them first."""
    from tmrl_sim.demonstrations import generate

    path = work / f"demonstrations_{episodes}.npz"
    if not path.exists():
        generate(episodes, seed).save(path)
    return load_demonstrations(path)


def _trained(folder: Path) -> tuple[PretrainConfig, FlowPolicy, ValidationLoss]:
    """A policy that was trained before, with its configuration and held-out loss."""
    loaded = load_flow_policy(folder)
    config = PretrainConfig(**loaded.training["config"])
    return config, loaded.policy, ValidationLoss(**loaded.training["held_out_loss"])


def _measure(config: PretrainConfig, policy: FlowPolicy, episodes: int) -> list[Measurement]:
    """Evaluates a policy on both tasks of the simulated cell."""
    from tmrl_learner.pretrain.widowx_sim import PickTask
    from tmrl_sim.cell import WidowXCell

    cell = WidowXCell()
    measurements: list[Measurement] = []
    for in_distribution, steering in planned_measurements(config):
        target = "carrot" if in_distribution else "sausage"
        label = f"evaluating {config.method}: {target}, sigma {steering.sigma:g}"
        with tqdm(total=episodes, desc=label, unit="episode") as progress:
            result = evaluate(
                policy,
                PickTask(cell, target),
                steering,
                episodes=episodes,
                seed=_EVALUATION_SEED,
                on_episode=progress.update,
            )
        measurements.append(Measurement(target, in_distribution, steering, result))
    cell.close()
    return measurements


if __name__ == "__main__":
    raise SystemExit(main())
