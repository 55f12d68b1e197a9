"""What the episodes of each setting came to: success, and how the arm moved."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tmrl_agent.probe import setting_of
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome, SteeringSource
from tmrl_run.errors import RunError
from tmrl_run.run_folder import RunFolder


@dataclass(frozen=True)
class SettingFigures:
    """One setting.

    Attributes:
        setting: Its text, such as "repeated:1.5@0.3".
        episodes: How many count: success, failure or time-out.
        successes: Of those.
        chunks: That moved the arm.
        spread: How far the chunks' displacements lie from their mean, in the units of the actions
            (root mean square over chunks, gripper left out); 0 without two chunks.
        roughness: How much one step's action differs from the one before it, likewise.
        clamped: Share of the chunks in which a limit changed a step.
    """

    setting: str
    episodes: int
    successes: int
    chunks: int
    spread: float
    roughness: float
    clamped: float


def figures_of(run: RunFolder) -> list[SettingFigures]:
    """Returns every setting of a probe, in the order of the settings.

    Raises:
        RunError: The run was no probe.
        JournalError: The journal is damaged.
    """
    settings = run.value("agent", "probe", None)
    if not isinstance(settings, list) or not settings:
        raise RunError(f"{run.path} was no probe; `./tmrl probe RIG` makes one")
    names = tuple(str(each) for each in settings)
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    chunks: dict[str, list[Transition]] = defaultdict(list)
    for number, outcome in run.outcomes().items():
        if outcome.counts:
            outcomes[setting_of(names, number)].append(outcome)
    for each in run.transitions():
        # What a person drove says nothing about the policy.
        if each.steering is not SteeringSource.NONE:
            chunks[setting_of(names, each.episode)].append(each)
    return [_figures(name, outcomes[name], chunks[name]) for name in names]


def _figures(
    name: str, outcomes: Sequence[Outcome], chunks: Sequence[Transition]
) -> SettingFigures:
    moves = [each.executed_actions[:, :-1].astype(np.float64) for each in chunks]
    moves = [each for each in moves if len(each)]
    return SettingFigures(
        setting=name,
        episodes=len(outcomes),
        successes=outcomes.count(Outcome.SUCCESS),
        chunks=len(chunks),
        spread=_spread([each.sum(axis=0) for each in moves]),
        roughness=_root_mean_square([np.diff(each, axis=0) for each in moves]),
        clamped=float(np.mean([each.clamped for each in chunks])) if chunks else 0.0,
    )


def _spread(displacements: Sequence[NDArray[np.float64]]) -> float:
    if len(displacements) < 2:
        return 0.0
    rows = np.stack(displacements)
    return float(np.sqrt(rows.var(axis=0).sum()))


def _root_mean_square(rows: Sequence[NDArray[np.float64]]) -> float:
    squares = [(each**2).sum(axis=1) for each in rows if len(each)]
    return float(np.sqrt(np.concatenate(squares).mean())) if squares else 0.0
