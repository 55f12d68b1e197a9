"""The two figures of a session's report: the learning curve and sigma per chunk."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from tmrl_common.types import Outcome
from tmrl_run.history import WINDOW, EpisodeRecord, success_over_window

matplotlib.use("Agg")
_SUCCESS = "#1b7f4d"
_FAILURE = "#c9c9c9"
_LINE = "#1f4e9c"


def draw_learning_curve(episodes: Sequence[EpisodeRecord], title: str, path: Path) -> None:
    """Success of every episode as ticks, and over the last 20 as a line.

    Args:
        episodes: Finished episodes in order.
        title: Says method and seed.
        path: PNG to write.
    """
    figure = Figure(figsize=(7.0, 3.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    rates = success_over_window(episodes)
    axes.plot(range(1, len(rates) + 1), rates, color=_LINE, lw=2, label=f"over the last {WINDOW}")
    for index, episode in enumerate((e for e in episodes if e.outcome.counts), start=1):
        won = episode.outcome is Outcome.SUCCESS
        axes.plot(index, 1.04 if won else -0.04, "|", color=_SUCCESS if won else _FAILURE, ms=7)
    axes.axhline(0.9, color="0.6", lw=0.8, ls="--")
    axes.set(xlabel="episode", ylabel="success", ylim=(-0.08, 1.08), title=title)
    axes.legend(loc="center right", frameon=False)
    figure.savefig(path)


def draw_sigma(episodes: Sequence[EpisodeRecord], title: str, path: Path) -> None:
    """Sigma of every chunk: episodes along x, chunks within the episode along y.

    Args:
        episodes: Episodes in order.
        title: Says method and seed.
        path: PNG to write.
    """
    draw_sigmas({title: [episode.sigmas for episode in episodes]}, path)


def draw_sigmas(sessions: Mapping[str, Sequence[Sequence[float]]], path: Path) -> None:
    """Sigma of every chunk of several sessions, one below the other.

    Args:
        sessions: Title to the sigmas of each episode's chunks, at least one session.
        path: PNG to write.
    """
    height = 1.0 + (2.4 if len(sessions) == 1 else 1.3 * len(sessions))
    figure = Figure(figsize=(7.0, height), dpi=150, layout="constrained")
    panels = figure.subplots(len(sessions), squeeze=False)[:, 0]
    shown = [
        _show_sigma(axes, sigmas, title)
        for axes, (title, sigmas) in zip(panels, sessions.items(), strict=True)
    ]
    panels[-1].set(xlabel="episode")
    bar = figure.colorbar(shown[-1], ax=panels)
    bar.set_label("σ   (0: follow the context, 1: marginal)")
    figure.savefig(path)


def _show_sigma(axes: Axes, episodes: Sequence[Sequence[float]], title: str) -> AxesImage:
    longest = max((len(sigmas) for sigmas in episodes), default=0)
    image = np.full((max(longest, 1), max(len(episodes), 1)), np.nan)
    for column, sigmas in enumerate(episodes):
        image[: len(sigmas), column] = sigmas
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylabel="chunk", title=title)
    return axes.imshow(
        image,
        origin="lower",
        aspect="auto",
        vmin=0.0,
        vmax=1.0,
        cmap="viridis",
        extent=(0.5, image.shape[1] + 0.5, -0.5, image.shape[0] - 0.5),
        interpolation="nearest",
    )
