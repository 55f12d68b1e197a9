"""Candidates: latents of one observation, and what the frozen policy makes of each.

A learner that has no copy of the policy learns from them which actions a latent leads to.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tmrl_common.types import MAX_SEED, FloatArray, SteeringLimits

MAX_CANDIDATES = 256
"""Of one observation: each costs a pass of the policy's action part, and its numbers travel with
the transition and stay in the journal."""


def check_count(name: str, count: int) -> None:
    """Refuses a number of candidates that nobody would make.

    Args:
        name: Of the setting, for the sentence.
        count: Its value.

    Raises:
        ValueError: Names value and limit.
    """
    if not 1 <= count <= MAX_CANDIDATES:
        raise ValueError(
            f"{name} is {count}; it must be 1 to {MAX_CANDIDATES}, because each candidate costs a "
            "pass of the policy and room in the journal: ask for fewer"
        )


@dataclass(frozen=True)
class CandidateRequest:
    """Asks for candidates beside what else is asked of an observation.

    Attributes:
        count: K, how many.
        steps: h, how many steps of each chunk are wanted.
        limits: Caps within which they are drawn.
        seed: Of the draw, in [0, MAX_SEED]; the same seed gives the same candidates.
        by_actor: Whether every second one is the steering actor's own choice, where there is an
            actor; the others are drawn uniformly.
    """

    count: int
    steps: int
    limits: SteeringLimits
    seed: int
    by_actor: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be made.

        Raises:
            ValueError: Names the value and the limit.
        """
        check_count("the number of candidates", self.count)
        if self.steps < 1:
            raise ValueError(
                f"candidates of {self.steps} steps are asked for; it must be 1 or more"
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"the candidates' seed is {self.seed}; it must lie in [0, {MAX_SEED}]")


@dataclass(frozen=True)
class Candidates:
    """K latents of one observation, and the actions that each of them leads to.

    Attributes:
        z: Initial flow noise, the same in every step of the horizon, shape (K, z_dim).
        sigma: Context timestep in [0, 1], shape (K,).
        actions: Beginning of each chunk, raw units, shape (K, h, action_dim).
    """

    z: FloatArray
    sigma: FloatArray
    actions: FloatArray

    def __post_init__(self) -> None:
        """Refuses arrays that do not belong together.

        Raises:
            ValueError: Names the shapes.
        """
        shapes = self.z.shape, self.sigma.shape, self.actions.shape
        lengths = {shape[:1] for shape in shapes}
        if tuple(map(len, shapes)) != (2, 1, 3) or len(lengths) != 1:
            raise ValueError(
                f"candidates have z {shapes[0]}, sigma {shapes[1]} and actions {shapes[2]}; they "
                "must be (K, z_dim), (K,) and (K, h, action_dim)"
            )


def candidate_columns(candidates: Candidates | None) -> dict[str, Any]:
    """Returns the fields of a transition that hold candidates; nothing where there are none."""
    if candidates is None:
        return {}
    return {
        "candidate_z": candidates.z.ravel(),
        "candidate_sigma": candidates.sigma,
        "candidate_actions": candidates.actions.ravel(),
    }


@dataclass(frozen=True)
class ActionUnits:
    """What one unit of each action column is to the policy: how a learner tells actions apart.

    Attributes:
        mean: Of the policy's training actions, raw units, shape (action_dim,).
        std: Their standard deviation, above 0, shape (action_dim,).
    """

    mean: FloatArray
    std: FloatArray

    def __post_init__(self) -> None:
        """Refuses units by which nothing can be divided.

        Raises:
            ValueError: Names the values.
        """
        finite = bool(np.isfinite(self.mean).all() and np.isfinite(self.std).all())
        if self.mean.shape != self.std.shape or not finite or not bool((self.std > 0).all()):
            raise ValueError(
                f"action units have mean {self.mean.tolist()} and std {self.std.tolist()}; they "
                "must be as long as each other, finite, and std above 0"
            )
