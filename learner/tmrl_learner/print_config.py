"""`python -m tmrl_learner config`: what a preset, a method and overrides amount to."""

import argparse
import sys
from collections.abc import Sequence

import yaml

from tmrl_common.errors import ConfigError
from tmrl_learner.config import PRESETS, key_value, resolve


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the resolved configuration; the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        overrides = dict(key_value(text) for text in arguments.set)
        config = resolve(arguments.preset, arguments.method, overrides)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(yaml.safe_dump(config.to_mapping(), sort_keys=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tmrl_learner config", description=__doc__)
    presets = ", ".join(PRESETS)
    parser.add_argument("preset", nargs="?", default="widowx_sim", help=f"one of {presets}")
    parser.add_argument("--method", default="tmrl", help="algorithm (default: tmrl)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. agent.utd=10"
    )
    return parser
