"""The video of a session: its first and its last episode, rendered from the recorded joints."""

from collections.abc import Sequence
from pathlib import Path

from tmrl_cell.trajectory import trajectory_path
from tmrl_cell.video import render_gif
from tmrl_run.history import EpisodeRecord


def first_and_last(episodes: Sequence[EpisodeRecord], run_dir: Path) -> list[Path]:
    """Renders the first and the last recorded episode into `report/first_and_last.gif`.

    Returns:
        The file written; empty where no episode was recorded (the loopback arm has no physics).
    """
    recorded = [e for e in episodes if trajectory_path(run_dir, e.number).exists()]
    if not recorded:
        return []
    chosen = [recorded[0]] if len(recorded) == 1 else [recorded[0], recorded[-1]]
    titles = [f"episode {e.number}: {e.detail or e.outcome.name.lower()}" for e in chosen]
    path = run_dir / "report" / "first_and_last.gif"
    render_gif([trajectory_path(run_dir, e.number) for e in chosen], titles, path)
    return [path]
