"""What a run of episodes amounts to: the keys of the demo's report."""

from collections.abc import Sequence
from typing import Any

from tmrl_experiments.inprocess.loop import WINDOW, EpisodeSummary

GOOD_ENOUGH = 0.9


def episodes_to_90(successes: Sequence[bool]) -> int | None:
    """Number of episodes after which 90 % of the last 20 were solved; None if never."""
    for end in range(WINDOW, len(successes) + 1):
        if sum(successes[end - WINDOW : end]) >= GOOD_ENOUGH * WINDOW:
            return end
    return None


def success_last_window(episodes: Sequence[EpisodeSummary]) -> float:
    """Share of the last 20 episodes that were solved; 0 before there are 20."""
    solved = sum(e.solved for e in episodes[-WINDOW:])
    return solved / WINDOW if len(episodes) >= WINDOW else 0.0


def report(episodes: Sequence[EpisodeSummary], period_s: float, wall_s: float) -> dict[str, Any]:
    """Figures of a run. What a helper had a hand in does not count as solved.

    Args:
        episodes: At least one.
        period_s: Control period, s.
        wall_s: Wall time of the whole run, s.
    """
    successes = [e.solved for e in episodes]
    last = successes[-WINDOW:]
    hit = episodes_to_90(successes)
    steps_to_hit = sum(e.steps for e in episodes[:hit]) if hit else None
    return {
        "episodes": len(episodes),
        "outcomes": [e.outcome.name.lower() for e in episodes],
        "success_last_20": sum(last) / len(last),
        "episodes_to_90": hit,
        "robot_minutes_to_90": steps_to_hit * period_s / 60.0 if steps_to_hit else None,
        "robot_minutes": sum(e.steps for e in episodes) * period_s / 60.0,
        "wall_minutes": wall_s / 60.0,
        "wrong_object_rate": sum(e.wrong_object for e in episodes) / len(episodes),
        "first_success": successes.index(True) + 1 if any(successes) else None,
        "sigma_mean_first_last": [episodes[0].sigma_mean, episodes[-1].sigma_mean],
        "chunks": [e.chunks for e in episodes],
        "helped_chunks": sum(e.helped_chunks for e in episodes),
        "sigma_mean": [round(e.sigma_mean, 3) for e in episodes],
        "sigma_holding": [_rounded(e.sigma_holding) for e in episodes],
        "sigma_empty": [_rounded(e.sigma_empty) for e in episodes],
    }


def _rounded(sigma: float | None) -> float | None:
    return None if sigma is None else round(sigma, 3)
