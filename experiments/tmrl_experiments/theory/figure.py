"""The figure of the circle: clouds of points above, what was measured of them below."""

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from tmrl_experiments.theory.circle import CircleConfig, sample_guided, sample_smoothed
from tmrl_experiments.theory.experiment import CONTEXTS, FAR_DEG, NEAR_DEG
from tmrl_policies.flow_policy import FlowPolicy

_SHOWN_SIGMAS = (0.0, 0.1, 0.25, 0.5, 1.0)
_SHOWN_WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
_SHOWN_POINTS = 400
_BLUE, _ORANGE, _GREY = "#1f6fb4", "#d9661f", "#b0b0b0"


def draw(
    policies: dict[str, FlowPolicy], results: dict[str, Any], config: CircleConfig, path: Path
) -> None:
    """Writes the figure.

    Args:
        policies: Of one seed, for the clouds.
        results: Over all seeds, as `experiment.over_seeds` returns them.
        config: The experiment.
        path: Of the PNG.
    """
    figure = plt.figure(figsize=(11, 10.5), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 1.5))
    clouds, curves = parts
    _draw_clouds(clouds.subplots(3, len(_SHOWN_SIGMAS)), policies, config)
    left, right = curves.subplots(1, 2)
    _draw_trade_off(left, results)
    _draw_overlap(right, results)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_clouds(axes: Any, policies: dict[str, FlowPolicy], config: CircleConfig) -> None:
    rows = (
        ("CSP, seen angle", "seen", sample_smoothed, policies["csp"], "σ", _SHOWN_SIGMAS, _BLUE),
        ("CSP, unseen", "unseen", sample_smoothed, policies["csp"], "σ", _SHOWN_SIGMAS, _BLUE),
        ("CFG, unseen", "unseen", sample_guided, policies["cfg"], "w", _SHOWN_WEIGHTS, _ORANGE),
    )
    for row, (label, context, sample, policy, symbol, values, colour) in enumerate(rows):
        angle_rad = math.radians(CONTEXTS[context])
        for column, value in enumerate(values):
            points = sample(policy, angle_rad, value, _SHOWN_POINTS)
            axis: Axes = axes[row, column]
            _draw_cloud(axis, points, angle_rad, math.radians(config.half_gap_deg), colour)
            axis.set_title(f"{symbol} = {value:g}", fontsize=10)
        axes[row, 0].set_ylabel(label)


def _draw_cloud(
    axis: Axes, points: Tensor, angle_rad: float, half_gap_rad: float, colour: str
) -> None:
    steps = [half_gap_rad + i / 100 * 2 * (math.pi - half_gap_rad) for i in range(101)]
    axis.plot([math.cos(a) for a in steps], [math.sin(a) for a in steps], color=_GREY, zorder=0)
    x, y = points.T.tolist()
    axis.scatter(x, y, s=5, color=colour, alpha=0.35, linewidths=0)
    axis.plot(math.cos(angle_rad), math.sin(angle_rad), "k+", markersize=11)
    axis.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), xticks=[], yticks=[], aspect="equal")


def _draw_trade_off(axis: Axes, results: dict[str, Any]) -> None:
    """How far off the circle points land, against how widely they explore."""
    curves = (
        ("smoothing", "sigma", "CSP, σ from 0 to 1", _BLUE),
        ("guidance", "weight", "CFG, w from 1 to 0", _ORANGE),
    )
    for table, setting, label, colour in curves:
        for context, style in (("unseen", "o-"), ("seen", "o--")):
            rows = [r for r in results[table] if r["context"] == context and r[setting] <= 1.0]
            spread = [r["angular_spread_deg"]["mean"] for r in rows]
            error = [r["distance_to_circle"]["mean"] for r in rows]
            axis.plot(spread, error, style, color=colour, markersize=4, label=f"{label}, {context}")
    axis.set(xlabel="angle to the asked-for one, RMS [°]", ylabel="distance to the circle")
    axis.set_ylim(top=1.35 * axis.get_ylim()[1])
    axis.legend(fontsize=8, ncols=2, loc="upper center")


def _draw_overlap(axis: Axes, results: dict[str, Any]) -> None:
    for distance_deg, style in ((NEAR_DEG, "-"), (FAR_DEG, "--")):
        rows = [r for r in results["overlap"] if r["distance_deg"] == distance_deg]
        sigma = [r["sigma"] for r in rows]
        label = f"{distance_deg:g}° apart"
        measured = [r["overlap"]["mean"] for r in rows]
        bound = [r["theorem_lower_bound"] for r in rows]
        axis.plot(sigma, measured, "o" + style, color=_BLUE, markersize=4, label=label)
        axis.plot(sigma, bound, style, color=_GREY, label=f"Theorem 1, {label}")
    axis.set(xlabel="σ", ylabel="overlap of two contexts", ylim=(-0.05, 1.05))
    axis.legend(fontsize=8)
