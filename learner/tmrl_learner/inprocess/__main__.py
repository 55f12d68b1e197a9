"""`python -m tmrl_learner.inprocess`: fine-tune in the simulated WidowX cell, one process."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tmrl_common.types import Outcome
from tmrl_learner.config import METHODS, Sizes, resolve
from tmrl_learner.errors import ConfigError
from tmrl_learner.inprocess.flow_base import FlowBase
from tmrl_learner.inprocess.loop import EpisodeSummary, InProcessLoop
from tmrl_learner.inprocess.report import report, success_last_window
from tmrl_learner.pretrain.widowx_sim import PickTask
from tmrl_learner.session import LearnerSession
from tmrl_policies.flow_checkpoint import load_flow_policy
from tmrl_sim.cell import CONTROL_PERIOD_S, WidowXCell


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line and runs."""
    arguments = _parser().parse_args(argv)
    try:
        overrides = dict(_key_value(text) for text in arguments.set)
        run(arguments, overrides)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tmrl_learner.inprocess", description=__doc__)
    parser.add_argument("--method", choices=(*METHODS, "base"), default="tmrl")
    parser.add_argument("--preset", default="widowx_sim")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a flow policy")
    parser.add_argument("--episodes", type=int, default=150)
    parser.add_argument(
        "--until-success",
        type=float,
        metavar="RATE",
        help="stop early once this share of the last 20 episodes succeeded",
    )
    parser.add_argument(
        "--warmup-marginal-fraction",
        type=float,
        default=0.75,
        metavar="SHARE",
        help="share of warm-up chunks whose sigma is the largest (default: as in the demo)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write the report")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. agent.utd=10"
    )
    return parser


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text!r} is not KEY=VALUE, e.g. agent.utd=10")
    return key, value


def run(arguments: argparse.Namespace, overrides: dict[str, str]) -> None:
    """Runs the episodes, writes a line after each and the report at the end."""
    torch.set_num_threads(1)
    loaded = load_flow_policy(arguments.checkpoint)
    policy = FlowBase(loaded.policy, arguments.seed)
    session = None
    if arguments.method != "base":
        overrides = {"seed": str(arguments.seed)} | overrides
        config = resolve(arguments.preset, arguments.method, overrides)
        sizes = Sizes(policy.features_dim, policy.noise_shape[1], policy.epsilon_dim)
        session = LearnerSession(config, sizes, time.monotonic)
    task = PickTask(WidowXCell(), "sausage")
    loop = InProcessLoop(
        policy,
        task,
        session,
        arguments.seed,
        warmup_marginal_fraction=arguments.warmup_marginal_fraction,
    )
    start_s = time.monotonic()
    episodes: list[EpisodeSummary] = []
    for _ in range(arguments.episodes):
        episodes.append(loop.run_episode())
        sys.stdout.write(_line(episodes, session, time.monotonic() - start_s))
        sys.stdout.flush()
        if arguments.until_success and success_last_window(episodes) >= arguments.until_success:
            break
    figures = {
        "method": arguments.method,
        "seed": arguments.seed,
        "policy_version": loaded.version,
        "config": session.config.to_mapping() if session else None,
        **report(episodes, CONTROL_PERIOD_S, time.monotonic() - start_s),
    }
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _line(episodes: Sequence[EpisodeSummary], session: LearnerSession | None, wall_s: float) -> str:
    last, recent = episodes[-1], episodes[-20:]
    successes = sum(e.outcome is Outcome.SUCCESS for e in recent)
    rounds = session.counters.rounds if session else 0
    return (
        f"episode {len(episodes):3d}  {last.source:7}  {last.outcome.name.lower():7}  "
        f"success {successes:2d}/{len(recent):2d}  steps {last.steps:3d}  "
        f"sigma {last.sigma_mean:.2f}  {'wrong object' if last.wrong_object else '            '}  "
        f"rounds {rounds:5d}  {wall_s:6.1f} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
