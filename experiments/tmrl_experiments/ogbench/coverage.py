"""Success@K before reinforcement: does any of K rollouts of the frozen policy succeed?

Paper, figure 6: the share of unfamiliar starts from which at least one of K rollouts solves the
task. It is estimated without bias from n >= K rollouts per start (Chen et al. 2021, "Evaluating
large language models trained on code"): with c successes, 1 - C(n - c, K) / C(n, K).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tmrl_common.types import FloatArray
from tmrl_experiments.inprocess.steering import base_steering
from tmrl_experiments.ogbench.benchmarks import Benchmark
from tmrl_experiments.ogbench.chunk_policies import SteeredPolicy
from tmrl_experiments.ogbench.vector import make_vector, reset_some

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class SuccessAtK:
    """An estimate for K = 1..n.

    Attributes:
        mean: Shape (n,).
        low: Lower end of the bootstrap interval over starts, shape (n,).
        high: Its upper end.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def roll_out(
    policy: SteeredPolicy,
    benchmark: Benchmark,
    sigma: float,
    starts: Sequence[int],
    rollouts: int,
    parallel: int,
    on_rollout: Callable[[], object] = lambda: None,
) -> NDArray[np.bool_]:
    """Runs the frozen policy from each start several times.

    Args:
        policy: Frozen.
        benchmark: Where.
        sigma: Context time of every chunk.
        starts: Seeds; start, goal and task follow from one.
        rollouts: Per start; they differ in the policy's noise alone.
        parallel: Environments side by side.
        on_rollout: Called after each, for progress.

    Returns:
        Whether each rollout succeeded, (starts, rollouts).
    """
    noise = (benchmark.horizon, benchmark.action_dim)
    jobs = deque((i, k) for i in range(len(starts)) for k in range(rollouts))
    parallel = min(parallel, len(jobs))
    solved = np.zeros((len(starts), rollouts), np.bool_)
    unfinished = len(jobs)
    environments = make_vector(benchmark.name, parallel)
    slots: dict[int, _Rollout] = {}
    idle = list(range(parallel))
    observations = np.zeros(0, np.float32)
    while unfinished:
        for j in idle:
            # With no job left an environment repeats its last one, and nobody looks.
            start, k = jobs.popleft() if jobs else (slots[j].start, -1)
            slots[j] = _Rollout(start, k, np.random.default_rng((starts[start], max(k, 0))))
        if idle:
            observations = reset_some(environments, {j: starts[slots[j].start] for j in idle})
        steerings = [base_steering(noise, slots[j].generator, sigma) for j in range(parallel)]
        chunks = policy.act(observations, steerings)
        observations, _, terminated, truncated, _ = environments.step(chunks)
        idle = np.flatnonzero(terminated | truncated).tolist()
        for j in idle:
            if slots[j].k >= 0:
                solved[slots[j].start, slots[j].k] = terminated[j]
                unfinished -= 1
                on_rollout()
    environments.close()
    return solved


class _Rollout(NamedTuple):
    start: int
    k: int
    generator: np.random.Generator


def success_at_k(solved: NDArray[np.bool_], seed: int = 0, resamples: int = 2000) -> SuccessAtK:
    """Estimates Success@K for K from 1 to the number of rollouts.

    Args:
        solved: (starts, rollouts).
        seed: Of the bootstrap.
        resamples: Of the starts, with replacement.
    """
    n = solved.shape[1]
    successes = solved.sum(axis=1)
    table = np.array(
        [[1.0 - comb(n - c, k) / comb(n, k) for k in range(1, n + 1)] for c in range(n + 1)]
    )
    per_start = table[successes]
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(per_start), size=(resamples, len(per_start)))
    means = per_start[picks].mean(axis=1)
    tail = (1.0 - _CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return SuccessAtK(
        per_start.mean(axis=0).astype(np.float32),
        low.astype(np.float32),
        high.astype(np.float32),
    )
