"""`python -m tmrl_experiments.franka.figure`: learning curves, and sigma while reaching and low."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tmrl_experiments.inprocess.loop import WINDOW

_SHOWN = {
    "tmrl": ("TMRL", "#1f6fb4"),
    "dsrl": ("DSRL on BC", "#d9661f"),
    "base": ("frozen", "#808080"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Draws the reports of an ablation of the button's task."""
    parser = argparse.ArgumentParser(
        "python -m tmrl_experiments.franka.figure", description=__doc__
    )
    parser.add_argument("--work", type=Path, default=Path("runs/ablation_press_button"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/press_button.png"))
    arguments = parser.parse_args(argv)
    draw(arguments.work, arguments.out)
    return 0


def draw(work: Path, out: Path) -> None:
    """Writes the figure.

    Args:
        work: Folder with the reports, `ROW.seedN.json`.
        out: Of the PNG.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    left, right = axes
    for row, (label, colour) in _SHOWN.items():
        for number, path in enumerate(sorted(work.glob(f"{row}.seed*.json"))):
            report = json.loads(path.read_text(encoding="utf-8"))
            solved = np.array([outcome == "success" for outcome in report["outcomes"]], dtype=float)
            name = label if number == 0 else None
            left.plot(_over_window(solved), color=colour, alpha=0.7, label=name)
            if row == "tmrl":
                _draw_sigma(right, report, named=number == 0)
    left.set(xlabel="episode", ylabel=f"success over the last {WINDOW}", ylim=(-0.03, 1.03))
    right.set(
        xlabel="episode", ylabel=f"σ of TMRL, mean over {WINDOW} episodes", ylim=(-0.03, 1.03)
    )
    for axis in axes:
        axis.legend()
        axis.grid(alpha=0.3)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _draw_sigma(axis: Axes, report: dict[str, Any], *, named: bool) -> None:
    """One line per run of the mean over chunks that begin high above the table, and low."""
    for key, label, colour in (
        ("sigma_empty", "reaching", "#1f6fb4"),
        ("sigma_holding", "low above the table", "#2a9d55"),
    ):
        values = np.array([np.nan if value is None else value for value in report[key]])
        line = _over_window(values)
        axis.plot(line, color=colour, alpha=0.6, label=label if named else None)


def _over_window(values: "np.ndarray[Any, np.dtype[np.float64]]") -> list[float]:
    """Mean over the last episodes up to each; those without a value do not count."""
    means: list[float] = []
    for end in range(1, len(values) + 1):
        window = values[max(0, end - WINDOW) : end]
        known = window[~np.isnan(window)]
        means.append(float(known.mean()) if len(known) else float("nan"))
    return means


if __name__ == "__main__":
    raise SystemExit(main())
