"""The live terminal view of a session."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tmrl_common.types import Outcome
from tmrl_demo.record import SessionRecord
from tmrl_run.history import WINDOW, EpisodeRecord, sigma_mean, success_over_window

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MARKS = {
    Outcome.SUCCESS: ("●", "green"),
    Outcome.FAILURE: ("○", "bright_black"),
    Outcome.TIMEOUT: ("○", "bright_black"),
    Outcome.ABORTED: ("x", "red"),
    Outcome.DISCARDED: ("-", "yellow"),
}


@dataclass(frozen=True)
class Header:
    """What does not change during a session.

    Attributes:
        method: One of `tmrl_bringup.options.METHODS`.
        seed: Of the session.
        episodes: How many there will be at most.
        run_dir: Where everything is stored.
    """

    method: str
    seed: int
    episodes: int
    run_dir: str


def sparkline(values: list[float], width: int) -> str:
    """The last `width` values in [0, 1] as block characters."""
    return "".join(_BLOCKS[round(min(max(v, 0.0), 1.0) * 8)] for v in values[-width:])


def _strip(episodes: list[EpisodeRecord], width: int = 60) -> Text:
    """One mark per episode, newest last."""
    text = Text()
    for episode in episodes[-width:]:
        mark, colour = _MARKS.get(episode.outcome, ("·", "cyan"))
        text.append(mark, style=colour)
    return text


def _numbers(record: SessionRecord, header: Header, wall_s: float) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column()
    learner = record.learner
    sigma = sigma_mean(record.in_order[-WINDOW:])
    rows = [
        ("episode", f"{record.finished} / {header.episodes}"),
        (f"success, last {WINDOW}", f"{record.success_last_window:.0%}"),
        (f"σ mean, last {WINDOW}", "-" if sigma is None else f"{sigma:.2f}"),
        ("robot time", f"{record.robot_minutes:.1f} min"),
        ("wall time", f"{wall_s / 60:.1f} min"),
        ("learner", learner.phase),
        ("update rounds", f"{learner.rounds} ({learner.rounds_per_s:.0f}/s)"),
        (
            "transitions",
            f"{record.transitions_published} sent, {learner.transitions_stored} stored",
        ),
        ("chunk round trip", f"{1e3 * record.round_trip_s:.0f} ms"),
        ("chunks refused", str(record.chunks_refused)),
    ]
    half = (len(rows) + 1) // 2
    for left, right in zip(rows[:half], rows[half:], strict=True):
        table.add_row(Text(left[0], "dim"), left[1], Text(right[0], "dim"), right[1])
    return table


def _alive(alive: dict[str, bool]) -> Text:
    text = Text()
    for name, up in alive.items():
        text.append("● " if up else "✗ ", "green" if up else "bold red")
        text.append(name + "  ", "" if up else "bold red")
    return text


def render(
    record: SessionRecord,
    header: Header,
    alive: dict[str, bool],
    wall_s: float,
    others: Sequence[str] = (),
) -> RenderableType:
    """The whole view as one rich renderable; `others` has a line about each further arm."""
    curve = success_over_window(record.in_order)
    refusal = [f"last refusal: {record.last_refusal}"] if record.last_refusal else []
    lines: list[RenderableType] = [
        _numbers(record, header, wall_s),
        Columns([ProgressBar(total=header.episodes, completed=record.finished, width=60)]),
        _strip(record.in_order),
        Text(sparkline(curve, 60), "cyan"),
        *(Text(line) for line in others),
        _alive(alive),
        Text(f"{record.state}: {record.state_reason}" if record.state_reason else record.state),
        *(Text(line, "bold red") for line in record.trouble + refusal),
        *(Text(line, "dim") for line in record.events),
    ]
    title = f"tmrl demo · {header.method} · seed {header.seed}"
    return Panel(Group(*lines), title=title, subtitle=header.run_dir, width=100)
