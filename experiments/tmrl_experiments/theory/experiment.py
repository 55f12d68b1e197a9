"""Trains both policies of the circle on several seeds and measures them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from tmrl_experiments.theory.circle import (
    CONTEXT_DROPOUT,
    CircleConfig,
    CircleSource,
    sample_guided,
    sample_smoothed,
    trainer,
)
from tmrl_experiments.theory.gaussian import equivalent_sigma, theorem_bound
from tmrl_experiments.theory.measures import (
    angular_spread_deg,
    distance_to_circle,
    distance_to_target,
    overlap,
)
from tmrl_policies.flow_policy import FlowPolicy

SIGMAS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0, 2.0, 4.0)
CONTEXTS = {"seen": 90.0, "unseen": 0.0}
"""Angle of each measured context, degrees; the unseen one is the middle of the gap."""
NEAR_DEG, FAR_DEG = 20.0, 80.0
"""How far the contexts lie apart whose overlap is measured."""

_Sampler = Callable[[FlowPolicy, float, float, int], torch.Tensor]


def train_policies(config: CircleConfig, seed: int) -> dict[str, FlowPolicy]:
    """The context-smoothed policy and the one for guidance, trained on the same data."""
    policies: dict[str, FlowPolicy] = {}
    for method in ("csp", "cfg"):
        run = trainer(config, method, seed)
        for _ in tqdm(range(config.steps), desc=f"{method}, seed {seed}", unit="step"):
            run.train_step()
        policies[method] = run.average
    return policies


def measure(policies: dict[str, FlowPolicy], config: CircleConfig, seed: int) -> dict[str, Any]:
    """Every figure of one seed, JSON-able."""
    csp, cfg = policies["csp"], policies["cfg"]
    return {
        "smoothing": _sweep(csp, sample_smoothed, "sigma", SIGMAS, config.samples),
        "guidance": _sweep(cfg, sample_guided, "weight", WEIGHTS, config.samples),
        "overlap": _overlaps(csp, config, seed),
    }


def _sweep(
    policy: FlowPolicy, sample: _Sampler, name: str, values: Sequence[float], size: int
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for context, angle_deg in CONTEXTS.items():
        angle_rad = math.radians(angle_deg)
        for value in values:
            points = sample(policy, angle_rad, value, size)
            rows.append(
                {
                    "context": context,
                    name: value,
                    "distance_to_circle": distance_to_circle(points),
                    "distance_to_target": distance_to_target(points, angle_rad),
                    "angular_spread_deg": angular_spread_deg(points, angle_rad),
                }
            )
    return rows


def _overlaps(policy: FlowPolicy, config: CircleConfig, seed: int) -> list[dict[str, float]]:
    """Overlap of a seen context with a near and a far one, and Theorem 1's lower bound on it."""
    start_deg = CONTEXTS["seen"]
    std_rad = float(CircleSource(config, seed).statistics().context.std())
    rows: list[dict[str, float]] = []
    for distance_deg in (NEAR_DEG, FAR_DEG):
        normalised = math.radians(distance_deg) / std_rad
        for sigma in SIGMAS:
            points, others = (
                sample_smoothed(policy, math.radians(angle_deg), sigma, config.samples)
                for angle_deg in (start_deg, start_deg + distance_deg)
            )
            noise = equivalent_sigma(_alpha_bar(policy, sigma))
            bound = 1.0 - theorem_bound(noise, normalised, 1) if noise > 0.0 else 0.0
            rows.append(
                {
                    "distance_deg": distance_deg,
                    "sigma": sigma,
                    "overlap": overlap(points, others),
                    "theorem_lower_bound": max(0.0, bound),
                }
            )
    return rows


def _alpha_bar(policy: FlowPolicy, sigma: float) -> float:
    return float(policy.schedule.alpha_bar[policy.schedule.index(torch.tensor(sigma))])


def over_seeds(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and range of every measured number over seeds; the settings stay as they are."""
    settings = ("context", "sigma", "weight", "distance_deg", "theorem_lower_bound")
    joined: dict[str, Any] = {}
    for table, rows in results[0].items():
        joined[table] = []
        for i, row in enumerate(rows):
            values = {name: [result[table][i][name] for result in results] for name in row}
            joined[table].append(
                {
                    name: row[name]
                    if name in settings
                    else {"mean": float(np.mean(v)), "min": min(v), "max": max(v)}
                    for name, v in values.items()
                }
            )
    return joined


def describe(config: CircleConfig, seeds: Sequence[int]) -> dict[str, Any]:
    """What was run, JSON-able."""
    return {
        "config": asdict(config),
        "seeds": list(seeds),
        "contexts_deg": CONTEXTS,
        "context_dropout_of_guidance": CONTEXT_DROPOUT,
    }
