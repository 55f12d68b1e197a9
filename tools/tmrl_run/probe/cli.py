"""`./tmrl probe RIG`: what the policy does before anything is learned, and what follows from it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tmrl_agent.probe import FULL, REPEATED, WARM_UP, Probe
from tmrl_bringup.rig import RigError, available, parse_overrides
from tmrl_bringup.up import Session, resolve, run
from tmrl_common.storage import prepare_file, write_text
from tmrl_run.probe.advice import FROZEN, ONE_ROW, Advice, advise
from tmrl_run.probe.figures import SettingFigures, figures_of
from tmrl_run.run_folder import CONFIG_FILE, RunFolder, open_run

_SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the controller's σ cap: the sweep."""
_BOUNDS = (1.0, 2.0, 3.0)
"""Of z, where the controller's cap allows them."""
_EACH = 4
_METHOD = "tmrl"
_ENDLESS_WARM_UP = ["schedule.warmup_chunks=1000000000", "schedule.warmup_max_chunks=1000000000"]
"""The learner hands over an actor, whose bounds the warm-up's draws keep to, and never learns."""

_DESCRIPTION = """\
Runs a rig without learning before you spend an hour on it, the episodes in turn with the frozen
policy, one repeated row of z, larger z, a sweep of σ up to the controller's cap, and the draws of
the warm-up. You start and label as in any session; at the end, or at Ctrl-C, it says how often each
succeeded, how the arm moved, and which caps follow from that."""

_EPILOG = """\
examples:
  ./tmrl probe my_widowx.yaml             4 episodes of each setting
  ./tmrl probe my_widowx.yaml --each 10   more of them: rates instead of hints
  ./tmrl probe widowx sim:=true           the same in simulation
  ./tmrl probe runs/probe_monday          what a probe has shown, again"""


def settings_of(sigma_cap: float, z_cap: float) -> tuple[str, ...]:
    """Returns the settings that a rig's caps allow.

    Args:
        sigma_cap: Of the controller, 0 to 1.
        z_cap: Of the controller, above 0.
    """
    sweep = [Probe(FULL, 0.0, share * sigma_cap) for share in _SHARES if sigma_cap > 0.0]
    bounds = [Probe(REPEATED, bound, 0.0) for bound in _BOUNDS if bound <= z_cap]
    return (FROZEN, ONE_ROW, *map(str, (*bounds, *sweep)), WARM_UP)


def main(argv: Sequence[str]) -> int:
    """Probes a rig, or shows an earlier probe; the exit code of the command."""
    parser = argparse.ArgumentParser(
        prog="./tmrl probe",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("rig", metavar="RIG|RUN", help=f"{', '.join(available())}, your own file, or a probe's run")
    add("--each", type=int, default=_EACH, metavar="N", help=f"episodes each (default: {_EACH})")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    add("overrides", nargs="*", metavar="KEY:=VALUE", help="as of ./tmrl up")
    parsed = parser.parse_intermixed_args(argv)
    if parsed.each < 1:
        parser.error(f"--each is {parsed.each}; it must be at least 1")
    if parsed.json is not None:
        prepare_file(parsed.json)
    folder, code = Path(parsed.rig), 0
    if not (folder / CONFIG_FILE).is_file():
        try:
            session = _session(parsed.rig, parsed.overrides, parsed.each)
            folder, code = session.options.run_dir, _probe(session)
        except RigError as error:
            sys.stderr.write(f"tmrl probe: {error}\n")
            return 2
    figures = figures_of(open_run(folder))
    advice = advise(figures)
    _print(figures, advice)
    if parsed.json is not None:
        content = {"settings": [asdict(each) for each in figures], "advice": asdict(advice)}
        write_text(parsed.json, json.dumps(content, indent=2) + "\n")
    return code


def _session(rig: str, overrides: Sequence[str], each: int) -> Session:
    """The rig without learning, its episodes in turn with every setting.

    Raises:
        RigError: Something is unknown, missing or impossible.
    """
    given = parse_overrides(list(overrides))
    if given.get("method", _METHOD) != _METHOD:
        raise RigError(
            f"method is {given['method']}; a probe is of the smoothed policy, in the warm-up of "
            f"{_METHOD}: leave it out"
        )
    parts = resolve(rig, given).rig.parts
    controller, changes = parts["controller"], parts["learning"].get("overrides", [])
    settings = settings_of(float(controller["sigma_cap"]), float(controller["z_cap"]))
    return resolve(
        rig,
        {
            **given,
            "agent.probe": list(settings),
            "episodes": str(each * len(settings)),
            "learning.overrides": [*changes, *_ENDLESS_WARM_UP],
        },
    )


def _probe(session: Session) -> int:
    run_folder, episodes = RunFolder(session.options.run_dir, {}), session.options.max_episodes

    def is_over() -> bool:
        lines = (line for line in run_folder.ledger() if line["event"] == "labelled")
        return len({line.get("episode") for line in lines}) >= episodes

    sys.stdout.write(f"{episodes} episodes: start on the console, or ./tmrl call operator/start\n")
    return run(session, is_over)


def _print(figures: Sequence[SettingFigures], advice: Advice) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("setting")
    for name in ("solved", "chunks", "spread", "roughness", "clamped"):
        table.add_column(name, justify="right")
    for each in figures:
        table.add_row(
            each.setting,
            f"{each.successes} of {each.episodes}",
            f"{each.chunks}",
            f"{each.spread:.3g}",
            f"{each.roughness:.3g}",
            f"{each.clamped:.0%}",
        )
    console = Console()
    console.print(table)
    for sentence in advice.sentences:
        console.print(sentence, highlight=False)
