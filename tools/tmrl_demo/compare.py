"""Sets the reports of several sessions side by side: a table, all curves, and sigma per chunk.

./tmrl run python -m tmrl_demo.compare docs/results/demo/*.json --png docs/results/demo.png
"""

import argparse
import json
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tmrl_demo.figures import draw_sigmas
from tmrl_run.history import WINDOW

Report = dict[str, Any]
_COLOURS = {"tmrl": "#1f4e9c", "dsrl": "#c4572f", "fixed-sigma": "#7b5aa6", "base": "#8a8a8a"}
_ADDED = "#2f8f5b"
"""Colour of an algorithm that is not ours."""


def running_rate(report: Report) -> list[float]:
    """Success over the last 20 episodes, from the first full window on."""
    won = np.array([outcome == "success" for outcome in report["outcomes"]], dtype=float)
    return [float(won[i - WINDOW : i].mean()) for i in range(WINDOW, len(won) + 1)]


def group_of(report: Report) -> str:
    """Method, pre-trained policy and overridden parameters: what the seeds of a row block share."""
    name = f"{report['method']} on {Path(report['policy']).parent.name}"
    return ", ".join([name, *overridden(report)])


def overridden(report: Report) -> list[str]:
    """What a session's command changed: KEY:=VALUE but for the policy's name, and a fixed sigma."""
    words = shlex.split(report["command"].replace("--sigma=", "--sigma "))
    sigma = [f"sigma {words[i + 1]}" for i, word in enumerate(words) if word == "--sigma"]
    changes = [w for w in words if ":=" in w and not w.startswith("policy_server.checkpoint:=")]
    return sigma + changes


def table(reports: list[Report]) -> str:
    """A row per session and one with the medians per group, in Markdown."""
    lines = [
        "| session | seed | episodes | success, last 20 | episodes to 90 % | wrong object | "
        "robot min | wall min | sigma, first and last 10 | published = stored |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for group in dict.fromkeys(map(group_of, reports)):
        members = [r for r in reports if group_of(r) == group]
        lines += [_row(group, report) for report in members]
        reached = [r["episodes_to_90"] for r in members]
        median = statistics.median([e if e is not None else float("inf") for e in reached])
        last = statistics.median([r["success_last_20"] for r in members])
        wall = statistics.median([r["wall_minutes"] for r in members])
        shown = "-" if median == float("inf") else f"{median:g}"
        lines.append(
            f"| **{group}, median of {len(members)}** | | | **{last:.2f}** | **{shown}** | | | "
            f"**{wall:.1f}** | | |"
        )
    return "\n".join(lines)


def _row(group: str, report: Report) -> str:
    first, last = report["sigma_mean_first_last"]
    same = report["transitions_published"] == report["transitions_stored"]
    count = f"{report['transitions_published']}" if same else "**no**"
    reached = report["episodes_to_90"]
    return (
        f"| {group} | {report['seed']} | {report['episodes']} | {report['success_last_20']:.2f} | "
        f"{'-' if reached is None else reached} | {report['wrong_object_rate']:.2f} | "
        f"{report['robot_minutes']:.1f} | {report['wall_minutes']:.1f} | "
        f"{first:.2f}, {last:.2f} | {count} |"
    )


def draw(reports: list[Report], path: Path) -> None:
    """Draws every session's running success rate, one colour per method."""
    figure = Figure(figsize=(7.0, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    named: set[str] = set()
    for report in reports:
        rates = running_rate(report)
        method, changes = report["method"], overridden(report)
        name = ", ".join([method, *changes])
        label = None if name in named else name
        named.add(name)
        episodes = range(WINDOW, WINDOW + len(rates))
        style = "--" if changes else "-"
        colour = _COLOURS.get(method, _ADDED)
        axes.plot(episodes, rates, style, color=colour, lw=1.4, alpha=0.8, label=label)
    axes.axhline(0.9, color="0.6", lw=0.8, ls="--")
    axes.set(xlabel="episode", ylabel=f"success over the last {WINDOW}", ylim=(-0.03, 1.03))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    figure.savefig(path)


def _title(report: Report) -> str:
    return f"{group_of(report)}, seed {report['seed']}"


def main(argv: list[str]) -> int:
    """Prints the table and, where asked for, draws the figure."""
    parser = argparse.ArgumentParser(description="Compare sessions by their report.json.")
    parser.add_argument("files", nargs="+", type=Path, metavar="REPORT.json")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the learning curves")
    parser.add_argument("--sigma-png", type=Path, metavar="FILE", help="draw sigma of each chunk")
    options = parser.parse_args(argv)
    read: dict[Path, Report] = {p: json.loads(p.read_text()) for p in sorted(options.files)}
    reports = [*read.values()]
    reports.sort(key=lambda r: (Path(r["policy"]).parent.name, r["method"] != "tmrl", r["method"]))
    sys.stdout.write(table(reports) + "\n")
    if options.png is not None:
        draw(reports, options.png)
    if options.sigma_png is not None:
        lacking = [path for path, report in read.items() if "sigmas" not in report]
        if lacking:
            parser.error(
                f"{lacking[0]} does not say the sigma of each chunk, as reports up to version 0.2; "
                "run that session again, or leave its report out"
            )
        draw_sigmas({_title(report): report["sigmas"] for report in reports}, options.sigma_png)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
