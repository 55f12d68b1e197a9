"""OGBench's cube over sigma: its goal lies where the demonstrations never put the cube."""

from collections.abc import Callable

import numpy as np

from tmrl_common.types import FloatArray
from tmrl_experiments.inprocess.steering import base_steering
from tmrl_experiments.ogbench.benchmarks import CUBE_SINGLE
from tmrl_experiments.ogbench.chunk_policies import FlowChunks
from tmrl_experiments.ogbench.vector import make_vector, reset_some
from tmrl_experiments.spectrum.panel import SIGMAS, Mark, Panel, Rollout

WANTED, MOVED, UNTOUCHED = "cube at its goal", "cube moved elsewhere", "cube not moved"
_TASK = CUBE_SINGLE.task_ids[0]
_TOOL_XY, _CUBE_XY = slice(12, 14), slice(19, 21)
"""Columns of an observation, scaled: 10 (xy - (0.425, 0)) [m]."""
_SCALE, _ORIGIN_M = 10.0, np.array([0.425, 0.0])
_CUBE_M = (0.04, 0.04)
_DRAWN_CHUNKS = 8
"""Until the cube is carried; what the arm does with it afterwards would cover all of the table."""
_MOVED_M = 0.02
_NOISE_SHAPE = (CUBE_SINGLE.horizon, CUBE_SINGLE.action_dim)
_MOST_CHUNKS = CUBE_SINGLE.max_steps // CUBE_SINGLE.execute_steps


def panel(
    policy: FlowChunks, rollouts: int, seed: int, on_rollout: Callable[[], object] = lambda: None
) -> Panel:
    """Rolls a base policy out on one of the tasks that its data does not cover.

    Args:
        policy: Context-smoothed.
        rollouts: Per sigma.
        seed: Of start, goal and noise.
        on_rollout: Called after each, for progress.
    """
    episodes: dict[float, list[Rollout]] = {}
    start = goal = np.zeros(2)
    for sigma in SIGMAS:
        policy.generator.manual_seed(seed)
        first, last, paths_m, solved = _roll_out(policy, sigma, rollouts, seed)
        episodes[sigma] = []
        for i in range(rollouts):
            moved = np.linalg.norm(_cube_m(last[i]) - _cube_m(first[i])) > _MOVED_M
            outcome = WANTED if solved[i] else MOVED if moved else UNTOUCHED
            episodes[sigma].append(Rollout(paths_m[i][: 1 + _DRAWN_CHUNKS], outcome))
            on_rollout()
        start = _cube_m(first[0])
        goal = _metres(first[0, CUBE_SINGLE.proprio_dim :][:2])
    return Panel(
        title="OGBench cube-single: bring the cube to a goal beyond the demonstrations'",
        context="the goal position of the cube. "
        f"Drawn are the first {_DRAWN_CHUNKS} chunks of at most {_MOST_CHUNKS}",
        low_m=(0.22, -0.30),
        high_m=(0.62, 0.30),
        marks=[_mark("cube at the start", start), _mark("goal", goal)],
        outcomes=(WANTED, MOVED, UNTOUCHED),
        rollouts=episodes,
    )


def _roll_out(
    policy: FlowChunks, sigma: float, rollouts: int, seed: int
) -> tuple[FloatArray, FloatArray, list[FloatArray], np.ndarray]:
    """First and last observations (N, P + C), tool paths of shape (T, 2) [m], solved (N,)."""
    environments = make_vector(CUBE_SINGLE.name, rollouts)
    seeds: list[int | None] = [seed] * rollouts
    observations, _ = environments.reset(seed=seeds, options={"task": _TASK})
    generators = [np.random.default_rng((seed, i)) for i in range(rollouts)]
    first, paths = observations.copy(), [[_tool_m(each)] for each in observations]
    last, solved = first.copy(), np.zeros(rollouts, np.bool_)
    running = np.ones(rollouts, np.bool_)
    while running.any():
        chunks = policy.act(
            observations, [base_steering(_NOISE_SHAPE, rng, sigma) for rng in generators]
        )
        observations, _, terminated, truncated, _ = environments.step(chunks)
        for i in np.flatnonzero(running):
            paths[i].append(_tool_m(observations[i]))
            last[i], solved[i] = observations[i], terminated[i]
        ended = np.flatnonzero(terminated | truncated)
        running[ended] = False
        if ended.size and running.any():
            # A vector environment steps all of its members: those that ended start again, unseen.
            observations = reset_some(environments, {int(i): seed for i in ended})
    environments.close()
    return first, last, [np.stack(path) for path in paths], solved


def _metres(scaled: FloatArray) -> np.ndarray:
    return scaled / _SCALE + _ORIGIN_M


def _tool_m(observation: FloatArray) -> np.ndarray:
    return _metres(observation[_TOOL_XY])


def _cube_m(observation: FloatArray) -> np.ndarray:
    return _metres(observation[_CUBE_XY])


def _mark(label: str, centre_m: np.ndarray) -> Mark:
    return Mark(label, (float(centre_m[0]), float(centre_m[1])), _CUBE_M)
