"""`python -m tmrl_experiments finetune`: fine-tune in the simulated WidowX cell, one process."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tmrl_common.algorithms import NO_LEARNING
from tmrl_common.errors import TmrlError
from tmrl_experiments.inprocess.run import run
from tmrl_experiments.inprocess.steering import Drawn
from tmrl_experiments.widowx.task import TASKS
from tmrl_learner.config import key_value, methods
from tmrl_learner.tracking import WANDB_MODES


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and runs."""
    arguments = parser().parse_args(argv)
    try:
        run(arguments, dict(key_value(text) for text in arguments.set))
    except TmrlError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser("python -m tmrl_experiments finetune", description=__doc__)
    add = parser.add_argument
    add("--method", choices=(*methods(), NO_LEARNING), default="tmrl")
    add("--preset", default="widowx_sim")
    add(
        "--wandb",
        choices=WANDB_MODES,
        default="offline",
        help="metrics of a run with --run-dir, beside its metrics.csv",
    )
    add("--checkpoint", type=Path, required=True, help="folder of a flow policy")
    add("--task", choices=TASKS, default="pot", help="what is to be learned (default: pot)")
    add("--episodes", type=int, default=150)
    add(
        "--until-success",
        type=float,
        metavar="RATE",
        help="stop early once this share of the last 20 episodes succeeded",
    )
    _add_exploration(parser)
    _add_acting(parser)
    add(
        "--z-per-step",
        action="store_true",
        help="let z differ from step to step of a chunk instead of repeating one row",
    )
    add(
        "--overlap-steps",
        type=int,
        default=0,
        metavar="D",
        help="decide each chunk so many steps before the one before it ends, as a session with "
        "agent.overlap_steps does (default: 0)",
    )
    add("--seed", type=int, default=0)
    add("--json", type=Path, help="where to write the report")
    add("--run-dir", type=Path, metavar="DIR", help="where to keep checkpoints, for --resume")
    add("--resume", action="store_true", help="resume where the checkpoint in --run-dir stands")
    add(
        "--checkpoint-every",
        type=int,
        default=10,
        metavar="N",
        help="episodes between two checkpoints (default: 10)",
    )
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. agent.utd=10")
    return parser


def _add_exploration(parser: argparse.ArgumentParser) -> None:
    """Adds how sigma is explored, in the warm-up and after."""
    add = parser.add_argument
    add(
        "--warmup-marginal-fraction",
        type=float,
        default=0.75,
        metavar="SHARE",
        help="share of warm-up chunks whose sigma is the largest (default: as in the demo)",
    )
    add(
        "--warmup-context-fraction",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of warm-up chunks whose sigma is 0 (default: 0)",
    )
    add(
        "--explore-hold",
        type=float,
        default=1.0,
        metavar="CHUNKS",
        help="mean number of chunks over which an explored sigma is kept, in the warm-up and after "
        "(default: 1)",
    )
    add(
        "--explore-sigma",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the actor's chunks that begin to explore sigma as the warm-up does; it "
        "falls to none while the success rate of the last 20 episodes rises to a half (default: 0)",
    )


def _add_acting(parser: argparse.ArgumentParser) -> None:
    """Adds who decides what the arm does, where it is not the actor."""
    add = parser.add_argument
    add(
        "--sigma-schedule",
        type=float,
        nargs=2,
        metavar=("EMPTY", "HOLDING"),
        help="with --method fixed-sigma: sigma while the gripper is empty, and while it holds "
        "something",
    )
    add(
        "--show-plate",
        action="store_true",
        help="with --task plate: let the learner see where the plate is, as the policy does",
    )
    add(
        "--base-sigma",
        type=float,
        default=0.0,
        metavar="SIGMA",
        help="context timestep of the frozen policy, with --method base (default: 0)",
    )
    add(
        "--drawn",
        choices=[*Drawn],
        default=Drawn.NOTHING,
        help="draw this at random in every chunk instead of learning it, for an ablation",
    )
    add(
        "--helped-episodes",
        type=int,
        default=0,
        metavar="N",
        help="in so many first episodes a scripted person takes over after a while (default: 0)",
    )


if __name__ == "__main__":
    sys.exit(main())
