"""Builders of transitions for tests: of this package, and of whoever feeds a learner."""

from typing import Any

import numpy as np

from tmrl_common.chunks import Driver
from tmrl_common.transitions import Transition
from tmrl_common.types import Outcome, SteeringSource

FEATURES, Z = 3, 2


def make_transition(sequence: int, episode: int, chunk: int, **changes: Any) -> Transition:
    """A transition whose arrays all hold its sequence number; `changes` replace fields."""
    values: dict[str, Any] = {
        "robot": "arm",
        "session": "run",
        "sequence": sequence,
        "episode": episode,
        "chunk": chunk,
        "revision": 0,
        "features": np.full(FEATURES, sequence, np.float32),
        "z": np.full(Z, 0.5, np.float32),
        "sigma": 0.5,
        "epsilon": np.zeros(0, np.float32),
        "steering": SteeringSource.ACTOR,
        "reward": -1.0,
        "next_features": np.full(FEATURES, sequence + 0.5, np.float32),
        "terminated": False,
        "truncated": False,
        "aborted": False,
        "episode_outcome": Outcome.PENDING,
        "executed_actions": np.zeros((5, 4), np.float32),
        "driver": np.full(5, Driver.POLICY, np.uint8),
    }
    return Transition(**(values | changes))


ENDS: dict[Outcome, dict[str, Any]] = {
    Outcome.SUCCESS: {"terminated": True, "reward": 0.0},
    Outcome.FAILURE: {"truncated": True},
    Outcome.TIMEOUT: {"truncated": True},
    Outcome.ABORTED: {"aborted": True},
    Outcome.DISCARDED: {"truncated": True},
}
"""Fields of the last transition by the episode's outcome (docs/concepts/contracts.md)."""


def make_episode(
    first_sequence: int, episode: int, chunks: int, outcome: Outcome, **changes: Any
) -> list[Transition]:
    """A whole labelled episode; `changes` replace fields of every transition."""
    transitions = [
        make_transition(first_sequence + c, episode, c, **changes) for c in range(chunks - 1)
    ]
    last = first_sequence + chunks - 1
    end = changes | ENDS[outcome] | {"episode_outcome": outcome}
    return [*transitions, make_transition(last, episode, chunks - 1, **end)]
