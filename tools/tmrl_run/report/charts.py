"""Geometry of the page's figures, as plain numbers that the template draws as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from tmrl_common.types import Outcome
from tmrl_run.report.content import Chunk, EpisodeLine

WIDTH = 1000.0
"""Of every figure, in its own units."""
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Five points of viridis."""


@dataclass(frozen=True)
class Box:
    """A rectangle with what it says when pointed at.

    Attributes:
        x: Left end.
        y: Upper end.
        width: Of the box.
        height: Of the box.
        colour: As CSS; empty where the class gives it.
        kind: CSS class.
        text: What it says.
    """

    x: float
    y: float
    width: float
    height: float
    colour: str
    kind: str
    text: str


def curve(rates: Sequence[float], height: float) -> str:
    """Path of the success rates, the first at the left end and the last at the right."""
    step = WIDTH / max(1, len(rates) - 1)
    points = [f"{i * step:.1f},{(1.0 - rate) * height:.1f}" for i, rate in enumerate(rates)]
    if len(points) == 1:
        points.append(f"{WIDTH:.1f},{points[0].partition(',')[2]}")
    return "M" + " L".join(points) if points else ""


def ticks(episodes: Sequence[EpisodeLine], height: float) -> list[Box]:
    """A mark for each episode at the edge that it counts for."""
    step = WIDTH / max(1, len(episodes) - 1)
    width = min(6.0, max(1.5, 0.6 * step))
    return [
        Box(
            round(i * step - width / 2, 1),
            0.0 if each.outcome is Outcome.SUCCESS else height - 8.0,
            round(width, 1),
            8.0,
            "",
            each.outcome.name.lower(),
            f"episode {each.number}: {each.outcome.name.lower()}",
        )
        for i, each in enumerate(episodes)
    ]


def sigma_map(episodes: Sequence[EpisodeLine], height: float) -> list[Box]:
    """Sigma of every chunk: episodes along x, chunks upwards; a person's chunks are hatched."""
    longest = max((len(each.chunks) for each in episodes), default=1) or 1
    width, row = WIDTH / max(1, len(episodes)), height / longest
    return [
        Box(
            round(i * width, 2),
            round(height - (j + 1) * row, 2),
            round(width + 0.3, 2),
            round(row + 0.3, 2),
            "" if _by_person(chunk) else colour_of(chunk.sigma or 0.0),
            "human" if _by_person(chunk) else "",
            f"episode {each.number}, chunk {j}: {_said(chunk)}",
        )
        for i, each in enumerate(episodes)
        for j, chunk in enumerate(each.chunks)
    ]


def _by_person(chunk: Chunk) -> bool:
    return chunk.sigma is None or chunk.human_steps == chunk.steps > 0


def _said(chunk: Chunk) -> str:
    if chunk.sigma is None:
        return f"{chunk.human_steps} steps by a person"
    besides = f", {chunk.human_steps} steps by a person" if chunk.human_steps else ""
    return f"σ {chunk.sigma:.2f}{besides}"


def interventions(episodes: Sequence[EpisodeLine], height: float) -> list[Box]:
    """A bar for the share of each episode that a person drove."""
    width = WIDTH / max(1, len(episodes))
    return [
        Box(
            round(i * width, 2),
            round(height * (1.0 - each.human_share), 2),
            round(max(1.0, 0.8 * width), 2),
            round(height * each.human_share, 2),
            "",
            "human",
            f"episode {each.number}: {each.human_share:.0%} of its steps by a person",
        )
        for i, each in enumerate(episodes)
        if each.human_share
    ]


def colour_of(value: float) -> str:
    """Colour of a number from 0 to 1."""
    place = min(max(value, 0.0), 1.0) * (len(_COLOURS) - 1)
    low = min(int(place), len(_COLOURS) - 2)
    pairs = zip(_COLOURS[low], _COLOURS[low + 1], strict=True)
    red, green, blue = (round(a + (b - a) * (place - low)) for a, b in pairs)
    return f"#{red:02x}{green:02x}{blue:02x}"
